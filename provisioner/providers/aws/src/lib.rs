//! What the AWS providers share: configuration, identity, errors.

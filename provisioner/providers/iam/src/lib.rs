//! IAM: roles, policies, instance profiles.

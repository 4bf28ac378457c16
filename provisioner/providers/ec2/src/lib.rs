//! EC2: networks, instances, volumes, key pairs.

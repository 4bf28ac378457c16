//! EC2 kinds. Field names follow the EC2 API Reference in snake case; defaults are EC2's own.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kind::{Kind, Layer, through};
use crate::reference::Late;

/// Free tags of the user; ownership tags are added by the provider and never declared.
pub type Tags = BTreeMap<String, String>;

macro_rules! spec {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident : $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }
    };
}
pub(crate) use spec;

pub(crate) fn yes() -> bool {
    true
}

spec! {
    /// `ec2.vpc` (CreateVpc, ModifyVpcAttribute).
    Vpc {
        /// IPv4 network.
        #[schemars(with = "String")] cidr: Ipv4Net,
        /// DNS resolution inside.
        #[serde(default = "yes")] dns_support: bool,
        /// DNS host names for instances.
        #[serde(default = "yes")] dns_hostnames: bool,
        /// Free tags.
        #[serde(default)] tags: Tags,
    }
}
spec! {
    /// `ec2.subnet`.
    Subnet {
        /// The VPC's id.
        vpc: Late<String>,
        /// IPv4 network inside the VPC's.
        #[schemars(with = "String")] cidr: Ipv4Net,
        /// Availability zone: `us-east-1a`.
        zone: String,
        /// Instances get a public address at launch.
        #[serde(default)] public: bool,
        /// Free tags.
        #[serde(default)] tags: Tags,
    }
}
spec! {
    /// `ec2.internet-gateway`, attached to its VPC.
    InternetGateway {
        /// The VPC's id.
        vpc: Late<String>,
        /// Free tags.
        #[serde(default)] tags: Tags,
    }
}
spec! {
    /// `ec2.elastic-ip`.
    ElasticIp {
        /// Free tags.
        #[serde(default)] tags: Tags,
    }
}
spec! {
    /// `ec2.nat-gateway`, public, awaited until available.
    NatGateway {
        /// The public subnet's id.
        subnet: Late<String>,
        /// The elastic IP's allocation id.
        elastic_ip: Late<String>,
        /// Free tags.
        #[serde(default)] tags: Tags,
    }
}
spec! {
    /// One route of a route table.
    Route {
        /// Destination network.
        #[schemars(with = "String")] destination: Ipv4Net,
        /// Id of the internet or NAT gateway: `igw-…`, `nat-…`.
        gateway: Late<String>,
    }
}
spec! {
    /// `ec2.route-table` with its routes and associations.
    RouteTable {
        /// The VPC's id.
        vpc: Late<String>,
        /// Routes beside the local one.
        #[serde(default)] routes: Vec<Route>,
        /// Ids of the subnets it serves.
        #[serde(default)] subnets: Vec<Late<String>>,
        /// Free tags.
        #[serde(default)] tags: Tags,
    }
}
spec! {
    /// One rule of a security group; exactly one of `cidr` and `group`.
    Rule {
        /// `tcp`, `udp`, `icmp` or `-1` for all.
        protocol: String,
        /// First port; -1 for all.
        from_port: i32,
        /// Last port; -1 for all.
        to_port: i32,
        /// Network allowed.
        #[serde(default, skip_serializing_if = "Option::is_none")] #[schemars(with = "Option<String>")] cidr: Option<Ipv4Net>,
        /// Id of the security group allowed.
        #[serde(default, skip_serializing_if = "Option::is_none")] group: Option<Late<String>>,
        /// What the rule is for.
        #[serde(default)] description: String,
    }
}
spec! {
    /// `ec2.security-group` with all its rules; a rule that is not declared is removed, EC2's default egress rule too.
    SecurityGroup {
        /// The VPC's id.
        vpc: Late<String>,
        /// Description (can't be changed).
        description: String,
        /// Inbound.
        #[serde(default)] ingress: Vec<Rule>,
        /// Outbound.
        #[serde(default)] egress: Vec<Rule>,
        /// Free tags.
        #[serde(default)] tags: Tags,
    }
}
spec! {
    /// One entry of a network ACL.
    AclEntry {
        /// Order of evaluation, 1 to 32766.
        number: i32,
        /// Outbound instead of inbound.
        #[serde(default)] egress: bool,
        /// `tcp`, `udp`, `icmp` or `-1`.
        protocol: String,
        /// First port; 0 for all.
        #[serde(default)] from_port: i32,
        /// Last port; 65535 for all.
        #[serde(default)] to_port: i32,
        /// Network.
        #[schemars(with = "String")] cidr: Ipv4Net,
        /// Allow instead of deny.
        #[serde(default = "yes")] allow: bool,
    }
}
spec! {
    /// `ec2.network-acl` with its entries and associations.
    NetworkAcl {
        /// The VPC's id.
        vpc: Late<String>,
        /// Entries beside the final deny.
        #[serde(default)] entries: Vec<AclEntry>,
        /// Ids of the subnets it guards.
        #[serde(default)] subnets: Vec<Late<String>>,
        /// Free tags.
        #[serde(default)] tags: Tags,
    }
}
spec! {
    /// `ec2.key-pair`: an Ed25519 public key imported under a scoped name; the private half lives in Vault.
    KeyPair {
        /// Name, at most 255 characters.
        name: String,
        /// OpenSSH public key, usually `{ref: vault.secret.NAME/public-key}`.
        public_key: Late<String>,
        /// Free tags.
        #[serde(default)] tags: Tags,
    }
}
spec! {
    /// A block device of a launch template. Always encrypted.
    BlockDevice {
        /// `/dev/xvda`.
        device: String,
        /// GiB.
        size: i32,
        /// `gp3`, `io2`…
        #[serde(default = "gp3")] volume_type: String,
    }
}
spec! {
    /// `ec2.launch-template`. IMDSv2 is always required and volumes are always encrypted: there is no field to say otherwise.
    LaunchTemplate {
        /// Name, 3 to 128 characters.
        name: String,
        /// AMI id.
        image: String,
        /// `t3.medium`.
        instance_type: String,
        /// The key pair's name.
        #[serde(default, skip_serializing_if = "Option::is_none")] key_pair: Option<Late<String>>,
        /// The instance profile's name.
        #[serde(default, skip_serializing_if = "Option::is_none")] instance_profile: Option<Late<String>>,
        /// Ids of security groups.
        #[serde(default)] security_groups: Vec<Late<String>>,
        /// Volumes made at launch.
        #[serde(default)] block_devices: Vec<BlockDevice>,
        /// Plain-text user data; no secrets.
        #[serde(default)] user_data: String,
        /// Free tags.
        #[serde(default)] tags: Tags,
    }
}
spec! {
    /// `ec2.instance`, launched from a launch template, awaited until running.
    Instance {
        /// The launch template's id.
        launch_template: Late<String>,
        /// The subnet's id.
        subnet: Late<String>,
        /// Fixed private address, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")] private_ip: Option<std::net::Ipv4Addr>,
        /// Free tags.
        #[serde(default)] tags: Tags,
    }
}
spec! {
    /// `ec2.volume`: an encrypted EBS volume, attached when `instance` is given.
    Volume {
        /// Availability zone.
        zone: String,
        /// GiB.
        size: i32,
        /// `gp3`, `io2`…
        #[serde(default = "gp3")] volume_type: String,
        /// Instance to attach to.
        #[serde(default, skip_serializing_if = "Option::is_none")] instance: Option<Late<String>>,
        /// Device name there: `/dev/sdf`.
        #[serde(default, skip_serializing_if = "Option::is_none")] device: Option<String>,
        /// Free tags.
        #[serde(default)] tags: Tags,
    }
}

fn gp3() -> String {
    "gp3".to_owned()
}

const BASE: Kind = Kind {
    name: "",
    layer: Layer::Network,
    normalize: through::<Vpc>,
    in_place: &["tags"],
    sets: &[],
    opaque: &[],
    named: false,
    outputs: &["id"],
    seconds: 2,
    calls: 1,
};

/// The EC2 part of the catalogue.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "ec2.vpc",
        in_place: &["tags", "dns_support", "dns_hostnames"],
        calls: 4,
        ..BASE
    },
    Kind {
        name: "ec2.subnet",
        normalize: through::<Subnet>,
        in_place: &["tags", "public"],
        calls: 2,
        ..BASE
    },
    Kind {
        name: "ec2.internet-gateway",
        normalize: through::<InternetGateway>,
        in_place: &["tags", "vpc"],
        calls: 2,
        ..BASE
    },
    Kind {
        name: "ec2.elastic-ip",
        normalize: through::<ElasticIp>,
        outputs: &["id", "public-ip"],
        ..BASE
    },
    Kind {
        name: "ec2.nat-gateway",
        normalize: through::<NatGateway>,
        seconds: 100,
        calls: 8,
        ..BASE
    },
    Kind {
        name: "ec2.route-table",
        normalize: through::<RouteTable>,
        in_place: &["tags", "routes", "subnets"],
        sets: &["routes", "subnets"],
        calls: 4,
        ..BASE
    },
    Kind {
        name: "ec2.security-group",
        normalize: through::<SecurityGroup>,
        in_place: &["tags", "ingress", "egress"],
        sets: &["ingress", "egress"],
        calls: 4,
        ..BASE
    },
    Kind {
        name: "ec2.network-acl",
        normalize: through::<NetworkAcl>,
        in_place: &["tags", "entries", "subnets"],
        sets: &["entries", "subnets"],
        calls: 6,
        ..BASE
    },
    Kind {
        name: "ec2.key-pair",
        layer: Layer::Identity,
        normalize: through::<KeyPair>,
        opaque: &["public_key"],
        named: true,
        outputs: &["id", "name"],
        ..BASE
    },
    Kind {
        name: "ec2.launch-template",
        layer: Layer::Compute,
        normalize: through::<LaunchTemplate>,
        opaque: &[
            "image",
            "instance_type",
            "key_pair",
            "instance_profile",
            "security_groups",
            "block_devices",
            "user_data",
        ],
        named: true,
        outputs: &["id", "name"],
        ..BASE
    },
    Kind {
        name: "ec2.instance",
        layer: Layer::Compute,
        normalize: through::<Instance>,
        outputs: &["id", "private-ip", "public-ip"],
        seconds: 45,
        calls: 8,
        ..BASE
    },
    Kind {
        name: "ec2.volume",
        layer: Layer::Storage,
        normalize: through::<Volume>,
        in_place: &["tags", "size", "volume_type", "instance", "device"],
        seconds: 10,
        calls: 4,
        ..BASE
    },
];

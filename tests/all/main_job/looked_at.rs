//! What the tool made, through other tools: kubectl, boto3, bao, and a decryption that shares no code with ours.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::command::fixture;
use crate::world::World;

const NEWEST: &str = "backups/chain_10m/natlangchain_20261123_033004_weekly.json.gz";

/// The workload is ready, and one field manager owns all of it but what controllers write.
pub fn by_kubectl(world: &World, generation: &str) {
    let namespace = format!("natlangchain-{generation}");
    let deployment = world.kubectl(&format!(
        "-n {namespace} get deployment api --show-managed-fields"
    ));
    assert_eq!(
        deployment["status"]["readyReplicas"], deployment["spec"]["replicas"],
        "{deployment}"
    );
    let appliers: BTreeSet<&str> = deployment["metadata"]["managedFields"]
        .as_array()
        .expect("managed fields")
        .iter()
        .filter(|entry| entry["subresource"].is_null())
        .filter_map(|entry| entry["manager"].as_str())
        .filter(|manager| *manager != "kube-controller-manager")
        .collect();
    assert_eq!(appliers, BTreeSet::from(["rebuild"]), "{deployment}");
    let labels = &deployment["metadata"]["labels"];
    assert_eq!(labels["rebuild.dev/environment"], "sandbox");
    assert_eq!(labels["rebuild.dev/generation"], generation);
}

/// Everything in EC2, IAM and S3 says whose it is.
pub fn by_boto(world: &World, generation: &str) {
    let addresses = each_once(world, generation);
    for wanted in [
        "ec2.vpc.main",
        "ec2.subnet.data-b",
        "ec2.nat-gateway.main",
        "ec2.instance.postgres",
        "ec2.volume.postgres",
        "ec2.network-acl.data",
        "iam.role.api",
        "iam.policy.data",
        "s3.bucket.data",
    ] {
        assert!(addresses.contains(wanted), "{wanted}: {addresses:?}");
    }
}

/// The addresses in the marks of everything in EC2, IAM and S3; panics where two objects have one.
pub fn each_once(world: &World, generation: &str) -> BTreeSet<String> {
    let found = world.aws(&format!(
        "def tags(all): return {{tag['Key']: tag['Value'] for tag in all}}\n\
         # moto does not heed every filter.\n\
         def of(one): return tags(one.get('Tags', [])).get('rebuild:generation') == '{generation}'\n\
         mine = [{{'Name': 'tag:rebuild:generation', 'Values': ['{generation}']}}]\n\
         found = []\n\
         for call, key in [('vpcs', 'Vpcs'), ('subnets', 'Subnets'), ('route_tables', 'RouteTables'), ('internet_gateways', 'InternetGateways'),\n\
             ('nat_gateways', 'NatGateways'), ('addresses', 'Addresses'), ('security_groups', 'SecurityGroups'), ('network_acls', 'NetworkAcls'),\n\
             ('launch_templates', 'LaunchTemplates'), ('key_pairs', 'KeyPairs')]:\n    \
             found += [tags(one['Tags']) for one in getattr(ec2, 'describe_' + call)(Filters=mine)[key] if one.get('State') != 'deleted' and of(one)]\n\
         for reservation in ec2.describe_instances(Filters=mine + [{{'Name': 'instance-state-name', 'Values': ['pending', 'running']}}])['Reservations']:\n    \
             found += [tags(one['Tags']) for one in reservation['Instances']]\n\
         found += [mark for mark in (tags(one['Tags']) for one in ec2.describe_volumes(Filters=mine)['Volumes'])\n    \
             if mark['rebuild:address'].startswith('ec2.volume.')]\n\
         name = 'sandbox-{generation}'\n\
         found += [tags(iam.list_role_tags(RoleName=name + '-api')['Tags'])]\n\
         found += [tags(iam.get_instance_profile(InstanceProfileName=name + '-api')['InstanceProfile']['Tags'])]\n\
         arn = next(one['Arn'] for one in iam.list_policies(Scope='Local')['Policies'] if one['PolicyName'] == name + '-data')\n\
         found += [tags(iam.get_policy(PolicyArn=arn)['Policy']['Tags'])]\n\
         found += [tags(s3.get_bucket_tagging(Bucket=name + '-data')['TagSet'])]\n\
         print(json.dumps(found))"
    ));
    let addresses: Vec<&str> = found
        .as_array()
        .expect("a list")
        .iter()
        .map(|tags| {
            assert_eq!(tags["rebuild:environment"], "sandbox", "{tags}");
            assert_eq!(tags["rebuild:generation"], generation, "{tags}");
            tags["rebuild:address"].as_str().expect("an address")
        })
        .collect();
    let distinct: BTreeSet<String> = addresses
        .iter()
        .map(|&address| address.to_owned())
        .collect();
    assert_eq!(distinct.len(), addresses.len(), "{addresses:?}");
    distinct
}

/// The object in the new bucket, decrypted with the key in Vault by Python's own cryptography, is the chain that was backed up.
pub fn the_seed_opens_with_the_key_in_vault(world: &World, generation: &str) {
    let key = world.shell(&format!(
        "bao kv get -mount=secret -field=value rebuild/sandbox/{generation}/data-key"
    ));
    let same = world.aws(&format!(
        "import base64, gzip, hashlib\n\
         from cryptography.hazmat.primitives.ciphers.aead import AESGCM\n\
         body = s3.get_object(Bucket='sandbox-{generation}-data', Key='natlangchain/chain.json')['Body'].read()\n\
         assert body.startswith(b'ENC:1:'), body[:20]\n\
         raw = base64.b64decode(body[6:])\n\
         derived = hashlib.pbkdf2_hmac('sha256', {key:?}.encode(), raw[:16], 1_000_000, 32)\n\
         plain = AESGCM(derived).decrypt(raw[16:28], raw[28:], None)\n\
         plain = gzip.decompress(plain) if plain[:2] == b'\\x1f\\x8b' else plain\n\
         print(json.dumps(plain == gzip.open({:?}).read()))",
        fixture(NEWEST)
    ));
    assert_eq!(same, Value::Bool(true));
}

/// Of a destroyed generation nothing is left in any server; key, bucket and namespace are gone.
pub fn nothing_is_left(world: &World, generation: &str) {
    let found = world.aws(&format!(
        "mine = [{{'Name': 'tag:rebuild:generation', 'Values': ['{generation}']}}]\n\
         found = []\n\
         for call, key in [('vpcs', 'Vpcs'), ('subnets', 'Subnets'), ('route_tables', 'RouteTables'), ('internet_gateways', 'InternetGateways'),\n\
             ('nat_gateways', 'NatGateways'), ('addresses', 'Addresses'), ('security_groups', 'SecurityGroups'), ('network_acls', 'NetworkAcls'),\n\
             ('launch_templates', 'LaunchTemplates'), ('key_pairs', 'KeyPairs'), ('volumes', 'Volumes')]:\n    \
             found += [str(one) for one in getattr(ec2, 'describe_' + call)(Filters=mine)[key] if one.get('State') != 'deleted' and '{generation}' in str(one)]\n\
         for reservation in ec2.describe_instances(Filters=mine)['Reservations']:\n    \
             found += [one['InstanceId'] for one in reservation['Instances'] if one['State']['Name'] != 'terminated']\n\
         found += [one['RoleName'] for one in iam.list_roles()['Roles'] if '{generation}' in one['RoleName']]\n\
         found += [one['PolicyName'] for one in iam.list_policies(Scope='Local')['Policies'] if '{generation}' in one['PolicyName']]\n\
         found += [one['Name'] for one in s3.list_buckets()['Buckets'] if '{generation}' in one['Name']]\n\
         print(json.dumps(found))"
    ));
    assert_eq!(found, serde_json::json!([]));
    let namespaces = world.shell("kubectl get namespaces -o name");
    assert!(!namespaces.contains(generation), "{namespaces}");
    assert!(
        world
            .secrets(&format!("rebuild/sandbox/{generation}"))
            .is_empty()
    );
}

/// No value of any secret that was ever made stands in what was printed or in any file of ours. The servers' own stores are not ours.
pub fn no_secret_is_left_anywhere(world: &World) {
    let secrets = world.seen_secrets.borrow();
    assert!(secrets.len() >= 4, "secrets were seen: {}", secrets.len());
    let printed = world.printed.borrow();
    for (path, value) in secrets.iter() {
        assert!(!printed.contains(value), "{path} was printed");
    }
    let mut files = Vec::new();
    walk(&world.home().join("state/rebuild/runs"), &mut files);
    assert!(files.len() > 10, "{files:?}");
    for file in files {
        let bytes = std::fs::read(&file).expect("a file of ours");
        let text = String::from_utf8_lossy(&bytes);
        for (path, value) in secrets.iter() {
            assert!(!text.contains(value), "{path} is in {}", file.display());
        }
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file)
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{}", file.display());
    }
}

fn walk(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of ours") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            walk(&path, files);
        } else {
            files.push(path);
        }
    }
}

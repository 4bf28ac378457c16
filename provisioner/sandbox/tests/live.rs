//! The whole sandbox with its real servers: started, crashed, started again with everything it was told, stopped,
//! emptied. Looked at with other clients than ours: kubectl, bao, and boto3 out of moto's own environment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use sandbox::{
    Condition, Ended, Endpoints, Error, Folders, Installer, Launcher, Observer, PROFILE,
    READER_PROFILE, Sandbox, Silent, Status, Tool, supervisor,
};

/// Set in the supervisor's environment: this very program is started again as the supervisor.
const AS_SUPERVISOR: &str = "SANDBOX_TEST_SUPERVISE";

/// Not a test by itself: what [`launcher`] starts. Run as a test it has nothing to do.
#[test]
fn supervise() {
    if std::env::var_os(AS_SUPERVISOR).is_none() {
        return;
    }
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let [.., state, tools] = arguments.as_slice() else {
        panic!("no folders");
    };
    supervisor::main(Folders {
        state: state.into(),
        tools: tools.into(),
    })
    .unwrap();
}

/// The folders come last and are taken for names of tests that do not exist.
fn launcher() -> Launcher {
    let program = std::env::current_exe().unwrap();
    Launcher {
        program: "/usr/bin/env".into(),
        arguments: vec![
            format!("{AS_SUPERVISOR}=1").into(),
            program.into(),
            "--nocapture".into(),
            "--test-threads=2".into(),
            "--exact".into(),
            "supervise".into(),
        ],
    }
}

fn silent() -> Arc<dyn Observer> {
    Arc::new(Silent)
}

struct Subject {
    sandbox: Sandbox,
    /// Deleted last.
    dir: tempfile::TempDir,
}

impl Subject {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders {
            state: dir.path().join("state"),
            ..Folders::from_environment().unwrap()
        };
        Self {
            sandbox: Sandbox::new(folders),
            dir,
        }
    }

    async fn up(&self) -> Endpoints {
        self.sandbox.up(&launcher(), silent()).await.unwrap()
    }

    fn status(&self) -> Status {
        self.sandbox.status().unwrap()
    }
}

/// Whatever a failed test left running.
impl Drop for Subject {
    fn drop(&mut self) {
        if let Some(pid) = self.sandbox.status().ok().and_then(|it| it.supervisor) {
            kill(pid);
        }
    }
}

fn kill(pid: u32) {
    assert!(run(Command::new("kill").args(["-KILL", &pid.to_string()])).is_ok());
}

fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// A shell with the exported variables and nothing else.
fn shell(endpoints: &Endpoints, line: &str) -> Result<String, String> {
    let exports: Vec<String> = endpoints
        .env_exports()
        .iter()
        .map(ToString::to_string)
        .collect();
    let home = endpoints.programs.parent().unwrap();
    run(Command::new("sh")
        .env_clear()
        .env("HOME", home)
        .env("PATH", "/usr/bin:/bin")
        .args(["-euc", &format!("{}\n{line}", exports.join("\n"))]))
}

/// boto3, with the profiles that the sandbox wrote.
fn aws(endpoints: &Endpoints, profile: &str, code: &str) -> Result<String, String> {
    let folders = Folders::from_environment().unwrap();
    let installed = Installer::new(folders.tools).locate(&[Tool::Moto]).unwrap();
    let python: PathBuf = installed.program(Tool::Moto).unwrap().into();
    let code = format!(
        "import boto3\nsession = boto3.Session(profile_name={profile:?})\n\
         s3, ec2, sts = map(session.client, ('s3', 'ec2', 'sts'))\nbucket = 'natlangchain-backups'\n{code}"
    );
    run(Command::new(python)
        .env_clear()
        .env("AWS_CONFIG_FILE", &endpoints.aws_config_file)
        .env(
            "AWS_SHARED_CREDENTIALS_FILE",
            &endpoints.aws_credentials_file,
        )
        .args(["-I", "-c", &code]))
}

fn nodes_are_ready(endpoints: &Endpoints) {
    let line = "kubectl wait --for=condition=Ready node --all --timeout=30s";
    let said = shell(endpoints, line).unwrap();
    assert_eq!(said.lines().count(), 3, "{said}");
}

/// What is told to each server, to be found again later.
fn tell(endpoints: &Endpoints) {
    shell(endpoints, "bao kv put secret/told word=kept").unwrap();
    shell(
        endpoints,
        "kubectl create configmap told --from-literal=word=kept",
    )
    .unwrap();
    aws(
        endpoints,
        PROFILE,
        "s3.create_bucket(Bucket='told'); s3.put_object(Bucket='told', Key='word', Body=b'kept')\n\
         vpc = ec2.create_vpc(CidrBlock='10.77.0.0/16')['Vpc']['VpcId']\n\
         ec2.create_subnet(VpcId=vpc, CidrBlock='10.77.1.0/24')",
    )
    .unwrap();
}

fn is_told(endpoints: &Endpoints) {
    let said = shell(endpoints, "bao kv get -field=word secret/told").unwrap();
    assert_eq!(said, "kept");
    let line = "kubectl get configmap told -o 'jsonpath={.data.word}'";
    assert_eq!(shell(endpoints, line).unwrap(), "kept");
    let said = aws(
        endpoints,
        PROFILE,
        "print(s3.get_object(Bucket='told', Key='word')['Body'].read().decode())\n\
         subnets = ec2.describe_subnets(Filters=[dict(Name='cidr-block', Values=['10.77.1.0/24'])])['Subnets']\n\
         print(len(subnets), ec2.describe_vpcs(VpcIds=[subnets[0]['VpcId']])['Vpcs'][0]['CidrBlock'])",
    )
    .unwrap();
    assert_eq!(said, "kept\n1 10.77.0.0/16\n");
}

#[tokio::test]
async fn the_sandbox_lives_dies_and_remembers() {
    let subject = Subject::new();
    assert_eq!(subject.status().condition, Condition::Down);

    // Two at the same time get the same one.
    let (first, second) = tokio::join!(subject.up(), subject.up());
    assert_eq!(first, second);
    let status = subject.status();
    assert_eq!(status.condition, Condition::Up);
    assert_eq!(status.servers.len(), 8);
    assert_eq!(status.endpoints.as_ref(), Some(&first));

    nodes_are_ready(&first);
    shell(&first, "bao status").unwrap();
    the_environment_may_do_its_work_only(&first);
    backups_are_there_and_guarded(&first);
    aws_lets_in_whom_a_policy_allows(&first);
    interfaces_have_the_groups_they_were_given(&first);
    claims_get_volumes(&first);
    the_stand_in_tells_the_truth(&first).await;
    files_are_private(subject.dir.path());
    tell(&first);
    is_told(&first);

    // The supervisor is killed: so are all servers, by the kernel.
    let supervisor = status.supervisor.unwrap();
    kill(supervisor);
    let pids: Vec<u32> = status.servers.iter().map(|server| server.pid).collect();
    until("servers outlive their supervisor", || {
        !pids.iter().any(|&pid| alive(pid))
    })
    .await;
    assert_eq!(subject.status().condition, Condition::Crashed);
    assert_eq!(subject.status().endpoints, None);

    // Started again it is where it was.
    let again = subject.up().await;
    assert_eq!(again, first);
    nodes_are_ready(&again);
    is_told(&again);

    // A server that ends stays ended, and is seen to be.
    let moto = |status: Status| {
        status
            .servers
            .into_iter()
            .find(|it| it.name == "moto")
            .unwrap()
    };
    kill(moto(subject.status()).pid);
    until("moto's end is seen", || {
        moto(subject.status()).ended.is_some()
    })
    .await;
    assert_eq!(subject.status().condition, Condition::Degraded);
    assert_eq!(moto(subject.status()).ended.as_deref(), Some("signal 9"));
    let healed = subject.up().await;
    assert_eq!(subject.status().condition, Condition::Up);
    is_told(&healed);

    let pids: Vec<u32> = subject.status().servers.iter().map(|it| it.pid).collect();
    assert_eq!(
        subject.sandbox.down(silent()).await.unwrap(),
        Ended::Stopped
    );
    assert!(!pids.iter().any(|&pid| alive(pid)));
    assert_eq!(subject.status().condition, Condition::Down);
    assert_eq!(
        subject.sandbox.down(silent()).await.unwrap(),
        Ended::WasDown
    );

    let state = subject.dir.path().join("state");
    subject.sandbox.reset(silent()).await.unwrap();
    let mut left: Vec<_> = std::fs::read_dir(&state)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, [".rebuild-sandbox", "control.lock"]);
}

fn the_environment_may_do_its_work_only(endpoints: &Endpoints) {
    let denied = shell(endpoints, "bao policy write planted - < /dev/null").unwrap_err();
    assert!(denied.contains("403"), "{denied}");
    let denied = shell(endpoints, "bao operator seal").unwrap_err();
    assert!(denied.contains("403"), "{denied}");
    shell(endpoints, "bao write -force sys/tools/random/32").unwrap();
}

fn backups_are_there_and_guarded(endpoints: &Endpoints) {
    let code = "import datetime, json\n\
        keys = [o['Key'] for o in s3.list_objects_v2(Bucket=bucket, Prefix='natlangchain/')['Contents']]\n\
        fresh = sorted(k for k in keys if k.endswith('_daily.json.gz'))[-1]\n\
        taken = datetime.datetime.strptime(fresh.split('/')[1][13:28], '%Y%m%d_%H%M%S')\n\
        assert datetime.datetime.utcnow() - taken < datetime.timedelta(hours=12), fresh\n\
        import hashlib\n\
        body = s3.get_object(Bucket=bucket, Key=fresh)['Body'].read()\n\
        meta = json.load(s3.get_object(Bucket=bucket, Key=fresh + '.meta.json')['Body'])\n\
        assert hashlib.sha256(body).hexdigest() == meta['checksum_sha256']\n\
        held = s3.get_object_retention(Bucket=bucket, Key=fresh)['Retention']\n\
        print(len(keys), held['Mode'], s3.get_bucket_versioning(Bucket=bucket)['Status'])\n";
    let said = aws(endpoints, READER_PROFILE, code).unwrap();
    assert_eq!(said, "4 COMPLIANCE Enabled\n");
    let denied = aws(
        endpoints,
        READER_PROFILE,
        "s3.put_object(Bucket=bucket, Key='x', Body=b'')",
    );
    assert!(denied.unwrap_err().contains("AccessDenied"));
    // Not even the owner deletes what is locked.
    let code = "v = s3.list_object_versions(Bucket=bucket, Prefix='natlangchain/')['Versions'][0]\n\
        s3.delete_object(Bucket=bucket, Key=v['Key'], VersionId=v['VersionId'])";
    let denied = aws(endpoints, PROFILE, code).unwrap_err();
    assert!(denied.contains("AccessDenied"), "{denied}");
    let said = aws(
        endpoints,
        PROFILE,
        "print(sts.get_caller_identity()['Account'])",
    )
    .unwrap();
    assert_eq!(said.trim(), endpoints.account);
}

/// moto alone would let in everybody, and inactive keys also where it enforces.
fn aws_lets_in_whom_a_policy_allows(endpoints: &Endpoints) {
    let code = format!(
        "import json\n\
         from botocore.exceptions import ClientError\n\
         iam = session.client('iam')\n\
         def tried(id, secret):\n\
         \x20   other = boto3.Session(id, secret, region_name='us-east-1')\n\
         \x20   def answer(service, call):\n\
         \x20       try:\n\
         \x20           getattr(other.client(service, endpoint_url={:?}), call)()\n\
         \x20           return 'allowed'\n\
         \x20       except ClientError as error:\n\
         \x20           return error.response['Error']['Code']\n\
         \x20   return [answer('iam', 'list_roles'), answer('ec2', 'describe_vpcs')]\n\
         refused = ['AccessDenied', 'AccessDenied']\n\
         unknown = ['InvalidClientTokenId', 'AuthFailure']\n\
         assert tried('AKIAAAAAAAAAAAAAAAAA', 'x') == unknown\n\
         iam.create_user(UserName='guest')\n\
         key = iam.create_access_key(UserName='guest')['AccessKey']\n\
         id, secret = key['AccessKeyId'], key['SecretAccessKey']\n\
         assert tried(id, secret) == refused\n\
         allow = {{'Version': '2012-10-17', 'Statement': [{{'Effect': 'Allow', 'Action': '*', 'Resource': '*'}}]}}\n\
         iam.put_user_policy(UserName='guest', PolicyName='p', PolicyDocument=json.dumps(allow))\n\
         assert tried(id, secret) == ['allowed', 'allowed']\n\
         iam.update_access_key(UserName='guest', AccessKeyId=id, Status='Inactive')\n\
         assert tried(id, secret) == unknown\n\
         iam.update_access_key(UserName='guest', AccessKeyId=id, Status='Active')\n\
         assert tried(id, secret) == ['allowed', 'allowed']\n\
         iam.delete_access_key(UserName='guest', AccessKeyId=id)\n\
         assert tried(id, secret) == unknown\n\
         # A GET with a query: moto alone finds its signature wrong.\n\
         session.client('route53').list_hosted_zones_by_name(DNSName='a.test')\n\
         print(sts.get_caller_identity()['Arn'])",
        endpoints.aws
    );
    let said = aws(endpoints, PROFILE, &code).unwrap();
    let operator = format!("arn:aws:iam::{}:user/operator", endpoints.account);
    assert_eq!(said.trim(), operator);
}

/// moto alone shows them beside those that the instance was begun with.
fn interfaces_have_the_groups_they_were_given(endpoints: &Endpoints) {
    let code = "vpc = ec2.create_vpc(CidrBlock='10.78.0.0/16')['Vpc']['VpcId']\n\
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock='10.78.1.0/24')['Subnet']['SubnetId']\n\
        first, second, third = (ec2.create_security_group(GroupName=name, Description='d', VpcId=vpc)['GroupId'] for name in 'abc')\n\
        made = ec2.run_instances(ImageId='ami-12c6146b', MinCount=1, MaxCount=1, SubnetId=subnet, SecurityGroupIds=[first])\n\
        instance = made['Instances'][0]\n\
        id, interface = instance['InstanceId'], instance['NetworkInterfaces'][0]['NetworkInterfaceId']\n\
        def groups():\n\
        \x20   of = ec2.describe_network_interfaces(NetworkInterfaceIds=[interface])['NetworkInterfaces'][0]['Groups']\n\
        \x20   seen = ec2.describe_instances(InstanceIds=[id])['Reservations'][0]['Instances'][0]['SecurityGroups']\n\
        \x20   return [group['GroupId'] for group in of], [group['GroupId'] for group in seen]\n\
        assert groups() == ([first], [first])\n\
        ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, Groups=[second])\n\
        assert groups() == ([second], [second]), groups()\n\
        ec2.modify_instance_attribute(InstanceId=id, Groups=[third])\n\
        assert groups() == ([third], [third]), groups()\n\
        ec2.terminate_instances(InstanceIds=[id])";
    aws(endpoints, PROFILE, code).unwrap();
}

fn claims_get_volumes(endpoints: &Endpoints) {
    let objects = r#"{"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "claim"},
         "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "claimer"}, "spec": {
          "containers": [{"name": "c", "image": "none", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}],
          "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "claim"}}]}}]}"#;
    let line = format!(
        "printf '%s' '{objects}' | kubectl apply -f - && kubectl wait --for=condition=Ready pod/claimer --timeout=30s\n\
         kubectl delete pod/claimer pvc/claim && kubectl wait --for=delete pv --all --timeout=30s"
    );
    shell(endpoints, &line).unwrap();
}

/// Status, whether it says that it is a stand-in, and the body.
async fn ask(endpoints: &Endpoints, path: &str, key: Option<&str>) -> (u16, Value) {
    let mut request = reqwest::Client::new().get(format!("{}{path}", endpoints.standin));
    if let Some(key) = key {
        request = request.header("x-api-key", key);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["x-sandbox-standin"], "true");
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

async fn the_stand_in_tells_the_truth(endpoints: &Endpoints) {
    let (status, _) = ask(endpoints, "/health", None).await;
    assert_eq!(status, 200);
    for path in ["/health/ready", "/validate/chain", "/block/latest"] {
        let (status, body) = ask(endpoints, path, Some("key")).await;
        assert_eq!(
            (status, &body["error"]),
            (503, &json!("no rebuild has made a namespace yet"))
        );
    }
    let objects = r#"{"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace",
         "metadata": {"name": "gen", "labels": {"rebuild.dev/environment": "sandbox"}}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rebuild-seed", "namespace": "gen"},
         "data": {"bucket": "seeded", "key": "natlangchain/chain.json"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "natlangchain-secrets", "namespace": "gen"},
         "stringData": {"NATLANGCHAIN_API_KEY": "the key",
                        "NATLANGCHAIN_ENCRYPTION_KEY": "correct-horse-battery-staple-2026"}}]}"#;
    shell(
        endpoints,
        &format!("printf '%s' '{objects}' | kubectl apply -f -"),
    )
    .unwrap();
    let (status, body) = ask(endpoints, "/health/ready", None).await;
    assert_eq!(
        (status, &body["error"]),
        (503, &json!("no pod of namespace gen is ready"))
    );
    let line = "kubectl -n gen create deployment api --image=none && kubectl -n gen rollout status deployment/api";
    shell(endpoints, line).unwrap();
    assert_eq!(ask(endpoints, "/validate/chain", None).await.0, 401);
    assert_eq!(
        ask(endpoints, "/validate/chain", Some("a key")).await.0,
        403
    );
    let (status, body) = ask(endpoints, "/validate/chain", Some("the key")).await;
    assert_eq!(status, 503, "there is no object yet: {body}");

    let put = |file: &str| {
        let fixtures =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/natlangchain");
        let code = format!(
            "s3.put_object(Bucket='seeded', Key='natlangchain/chain.json', Body=open({:?}, 'rb'))",
            fixtures.join(file)
        );
        aws(endpoints, PROFILE, &code).unwrap();
    };
    aws(endpoints, PROFILE, "s3.create_bucket(Bucket='seeded')").unwrap();
    put("formats/chain_50k.encgz");
    assert_eq!(ask(endpoints, "/health/ready", None).await.0, 200);
    let (status, body) = ask(endpoints, "/validate/chain", Some("the key")).await;
    assert_eq!(
        (status, &body["valid"], &body["blocks"]),
        (200, &json!(true), &json!(7)),
        "{body}"
    );
    let (_, body) = ask(endpoints, "/namespaces/gen/block/latest", Some("the key")).await;
    let head = "0b1f735c6d02021d012170d20390af4210b47dc5faa1da54579e8233f064476b";
    assert_eq!(body["block"], json!({"hash": head, "index": 6}));
    assert_eq!(
        ask(endpoints, "/namespaces/default/health/ready", None)
            .await
            .0,
        503
    );

    // Another object: another answer. This one is in the clear, as no rebuild leaves it.
    put("chain_50k.json");
    let (status, body) = ask(endpoints, "/validate/chain", Some("the key")).await;
    assert_eq!(status, 503, "{body}");
    // A rotated key works at once, and the former one no more.
    put("formats/chain_50k.enc");
    let line = r#"kubectl -n gen patch secret natlangchain-secrets -p '{"stringData": {"NATLANGCHAIN_API_KEY": "new"}}'"#;
    shell(endpoints, line).unwrap();
    assert_eq!(
        ask(endpoints, "/validate/chain", Some("the key")).await.0,
        403
    );
    assert_eq!(ask(endpoints, "/validate/chain", Some("new")).await.0, 200);
}

/// Everything in the folder, but for the programs' own data, is closed to others; so is the folder itself.
fn files_are_private(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let state = dir.join("state");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    for name in [
        "secrets.json",
        "state.json",
        "openbao/keys.json",
        "openbao/token",
        "ca/ca.key",
        "aws/credentials",
        "seaweedfs/s3.json",
        "kubernetes/tokens.csv",
        "kubernetes/rebuild-sandbox.kubeconfig",
        "kubernetes/service-accounts.key",
        "moto/state.pickle",
    ] {
        let path = state.join(name);
        if name != "moto/state.pickle" || path.exists() {
            assert_eq!(mode(&path), 0o600, "{name}");
        }
    }
}

#[tokio::test]
async fn a_folder_of_somebody_else_is_neither_used_nor_deleted() {
    let subject = Subject::new();
    let state = subject.dir.path().join("state");
    std::fs::create_dir(&state).unwrap();
    std::fs::write(state.join("precious"), "x").unwrap();
    let error = subject.sandbox.up(&launcher(), silent()).await.unwrap_err();
    assert!(matches!(error, Error::NotOurs { .. }), "{error}");
    let error = subject.sandbox.reset(silent()).await.unwrap_err();
    assert!(matches!(error, Error::NotOurs { .. }), "{error}");
    let left = std::fs::read_dir(&state).unwrap().count();
    assert_eq!(left, 1);
}

#[tokio::test]
async fn a_start_that_fails_leaves_nothing_running_and_says_why() {
    let subject = Subject::new();
    let broken = Launcher {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), "echo no luck >&2; exit 1".into()],
    };
    let error = subject.sandbox.up(&broken, silent()).await.unwrap_err();
    assert!(error.to_string().contains("no luck"), "{error}");
    assert_eq!(subject.status().supervisor, None);

    // A damaged storage: OpenBao gives up, and nothing of the rest stays.
    let state = subject.dir.path().join("state");
    std::fs::create_dir_all(state.join("openbao/raft")).unwrap();
    std::fs::write(state.join("openbao/raft/vault.db"), "not a database").unwrap();
    let error = subject.sandbox.up(&launcher(), silent()).await.unwrap_err();
    assert!(error.to_string().contains("openbao"), "{error}");
    let status = subject.status();
    assert_eq!(status.condition, Condition::Failed);
    assert!(status.error.is_some());
}

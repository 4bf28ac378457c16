"""Where moto answers otherwise than AWS, and a test of ours would prove nothing by it: corrected here, and nowhere else.

Each function names what moto does, what AWS does, and where AWS says so. Written for the version in `requirements.txt`.
"""

OPERATOR = "operator"
EVERYTHING = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'

# The body of the one request that is under way.
sent = {"body": b""}


def all_of_them():
    """Makes every correction; before the first request."""
    inactive_keys()
    signatures()
    groups_of_interfaces()


def inactive_keys():
    """moto lets an access key in that was made inactive. AWS refuses it as it does one that is not there ("Managing access keys for IAM
    users": an inactive key can't be used for calls)."""
    from moto.iam.access_control import CreateAccessKeyFailure, IAMUserAccessKey

    made = IAMUserAccessKey.__init__

    def refused_if_inactive(self, *arguments, **named):
        made(self, *arguments, **named)
        for key in self.backend.get_user(self._owner_user_name).access_keys:
            if key.access_key_id == self._access_key_id and key.status != "Active":
                raise CreateAccessKeyFailure(reason="InvalidId")

    IAMUserAccessKey.__init__ = refused_if_inactive


def signatures():
    """moto signs what it made of a request where AWS signs what was sent ("Create a signed AWS API request"): it takes a GET's query for its
    body, and writes a form anew, with other spaces. So it finds wrong what is right: all questions to Route 53, every text with a space
    from an SDK that sends `%20`."""
    from moto.iam.access_control import IAMRequestBase

    signed = IAMRequestBase._create_aws_request

    def as_sent(self):
        made = self._body, self._data
        self._body, self._data = sent["body"], {}
        try:
            return signed(self)
        finally:
            self._body, self._data = made

    IAMRequestBase._create_aws_request = as_sent


def groups_of_interfaces():
    """moto shows an interface's groups together with those that its instance was begun with, so that none ever leaves. In AWS an
    instance's groups are those of its primary interface, and are replaced (`ModifyNetworkInterfaceAttribute`, `ModifyInstanceAttribute`)."""
    from moto.ec2.models import EC2Backend
    from moto.ec2.models.elastic_network_interfaces import NetworkInterface

    of_interface = EC2Backend.modify_network_interface_attribute
    of_instance = EC2Backend.modify_instance_security_groups

    def modify_interface(self, eni_id, group_ids, *arguments, **named):
        answer = of_interface(self, eni_id, group_ids, *arguments, **named)
        interface = self.get_network_interface(eni_id)
        instance = interface.instance
        if group_ids and instance is not None and interface is instance.nics.get(0):
            instance.security_groups = list(interface._group_set)
        return answer

    def modify_instance(self, instance_id, new_group_id_list):
        instance = of_instance(self, instance_id, new_group_id_list)
        if 0 in instance.nics:
            instance.nics[0]._group_set = list(instance.security_groups)
        return instance

    NetworkInterface.group_set = property(lambda self: self._group_set)
    EC2Backend.modify_network_interface_attribute = modify_interface
    EC2Backend.modify_instance_security_groups = modify_instance


def operator(account, key):
    """A user who may do everything, with this access key: moto would choose one itself, and the key is the sandbox's for S3 as well."""
    from moto.iam.models import iam_backends

    iam = iam_backends[account]["aws"]
    if OPERATOR not in iam.users:
        iam.create_user("us-east-1", OPERATOR)
        iam.put_user_policy(OPERATOR, "everything", EVERYTHING)
    user = iam.users[OPERATOR]
    if any(known.access_key_id == key["id"] for known in user.access_keys):
        return
    made = iam.create_access_key(OPERATOR)
    del iam.access_keys[made.physical_resource_id]
    made.access_key_id, made.secret_access_key = key["id"], key["secret"]
    iam.access_keys[made.physical_resource_id] = made

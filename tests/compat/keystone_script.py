"""What two users of openstacksdk do, whose clouds stand in clouds.yaml as ``alice`` and ``bob``; arguments are a file to upload, a file to write and
the id of Bob's project. Prints what it saw as JSON.

Runs in the clients' environment, where nothing of ours is installed.
"""

import json
import sys

import openstack

data, copy, project = sys.argv[1:]
alice, bob = (openstack.connect(cloud=name).image for name in ("alice", "bob"))
saw = {}

image = alice.create_image("shared by sdk", filename=data, disk_format="raw", container_format="bare", visibility="shared")
saw["created"] = [
    alice.get_image(image.id).status,
    image.owner == alice.get_project_id(),
    [one.id for one in alice.images(name="shared by sdk")] == [image.id],
]
try:
    bob.get_image(image.id)
except openstack.exceptions.NotFoundException as error:
    saw["before"] = error.status_code

alice.add_member(image, member_id=project)
saw["listed before"] = [one.id for one in bob.images(name="shared by sdk")]
bob.update_member(project, image.id, status="accepted")
saw["listed after"] = [one.id for one in bob.images(name="shared by sdk")] == [image.id]
bob.download_image(image.id, output=copy)
try:
    bob.delete_image(image.id)
except openstack.exceptions.ForbiddenException as error:
    saw["delete"] = error.status_code
alice.delete_image(image)
print(json.dumps(saw))

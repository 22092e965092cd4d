"""What a user of openstacksdk writes: arguments are the service's URL, a file to upload and a file to write. Prints what it saw as JSON.

Runs in the clients' environment, where nothing of ours is installed.
"""

import json
import sys

import openstack

url, data, copy = sys.argv[1:]
name = "sdk-image"
cloud = openstack.connect(load_yaml_config=False, load_envvars=False, auth_type="none", endpoint=url, image_endpoint_override=url)
images = cloud.image
saw = {}

image = images.create_image(name, filename=data, disk_format="raw", container_format="bare", tags=["red"], os_distro="debian", hw_rng="yes")
found = images.find_image(name)
saw["created"] = [found.id == image.id, found.status, found.size, found.hash_algo, found.tags, found.os_distro, found.properties["hw_rng"]]
saw["listed"] = [one.id == image.id for one in images.images(name=name)]

images.add_tag(image, "blue")
images.remove_tag(image, "red")
images.update_image(images.get_image(image), min_ram=64, hw_rng="no")
changed = images.get_image(image)
saw["changed"] = [changed.tags, changed.min_ram, changed.properties["hw_rng"]]
saw["filtered"] = [one.name for one in images.images(visibility="shared", status="active", tag="blue", hw_rng="no", sort="name:asc")]

images.update_image(image.id, is_hidden=True)
saw["hidden"] = [[one.id for one in images.images(name=name)], images.find_image(name).is_hidden]
images.update_image(image.id, is_hidden=False)

images.update_image(image.id, is_protected=True)
try:
    images.delete_image(image)
except openstack.exceptions.ForbiddenException as error:
    saw["protected"] = error.status_code
images.update_image(image.id, is_protected=False)

member = images.add_member(image, member_id="p2")
saw["shared"] = [member.status, [one.member_id for one in images.members(image)], images.update_member("p2", image, status="accepted").status]
images.remove_member("p2", image)
saw["unshared"] = [one.member_id for one in images.members(image)]

images.deactivate_image(image)
images.reactivate_image(image)
images.download_image(image, output=copy)

others = [images.create_image(name, disk_format="raw", container_format="bare", allow_duplicates=True) for _ in range(2)]
saw["paged"] = len(list(images.images(name=name, limit=1)))
for one in [image, *others]:
    images.delete_image(one)
images.wait_for_delete(image, interval=0.1, wait=10)
saw["deleted"] = images.find_image(name)
print(json.dumps(saw))

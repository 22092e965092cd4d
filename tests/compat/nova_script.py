"""What nova does through its image driver, ``nova.image.glance``; the argument is a directory that holds ``nova.conf`` and a file ``data``.

Prints what it saw as JSON. Runs in the clients' environment, where nothing of ours is installed.
"""

import json
import sys
from pathlib import Path

import nova.conf
from keystoneauth1 import noauth
from nova import context, exception
from nova.image import glance

directory = Path(sys.argv[1])
nova.conf.CONF([], project="nova", default_config_files=[str(directory / "nova.conf")])
ctx = context.RequestContext("u1", "p1", is_admin=True, user_auth_plugin=noauth.NoAuth())
images = glance.API()
saw = {}


def brief(image, *names):
    return {name: image["properties"].get(name, image.get(name)) for name in names}


def refusal(call, *arguments, **options):
    """The class of nova's exceptions that a call ends with."""
    try:
        call(ctx, *arguments, **options)
    except exception.NovaException as error:
        return type(error).__name__
    return None


# A snapshot as the libvirt driver makes it: the API reserves the image, the driver describes it and brings the data.
snapshot = {
    "name": "snapshot",
    "visibility": "private",
    "status": "creating",
    "min_ram": "64",
    "min_disk": 1,
    "properties": {
        "instance_uuid": "8a0c5f6c-0000-4000-8000-000000000001",
        "base_image_ref": "8a0c5f6c-0000-4000-8000-000000000002",
        "owner_project_name": "prøject",
        "boot_roles": "member,reader," + "role," * 80,
        "image_type": "snapshot",
        "kernel_id": "None",
        "mappings": [{"virtual": "root", "device": "/dev/sda1"}],
    },
}
image = images.create(ctx, snapshot)
image_id = image["id"]
saw["reserved"] = brief(image, "status", "size", "is_public", "min_ram", "min_disk", "owner_project_name", "mappings", "kernel_id")
described = {"disk_format": "raw", "container_format": "bare", "status": "active", "properties": {"image_location": "snapshot"}}
with (directory / "data").open("rb") as data:
    image = images.update(ctx, image_id, described, data, purge_props=False)
saw["uploaded"] = brief(image, "status", "size", "checksum", "image_location", "image_type")

shown = images.get(ctx, image_id, include_locations=True)
saw["shown"] = brief(shown, "id", "name", "locations") | {"made before": shown["created_at"] <= shown["updated_at"]}

# Properties: those that are left out go, with purge_props.
updated = images.update(ctx, image_id, {"name": "renamed", "properties": {"image_type": "backup"}}, purge_props=True)
saw["updated"] = [updated["name"], updated["status"], updated["properties"]]

# Data to a path, to a file, and piece by piece.
images.download(ctx, image_id, dest_path=str(directory / "path"))
with (directory / "file").open("wb") as copy:
    images.download(ctx, image_id, data=copy)
(directory / "pieces").write_bytes(b"".join(images.download(ctx, image_id)))
remote = images.download(ctx, f"{nova.conf.CONF.glance.endpoint_override}/v2/images/{image_id}")
(directory / "by URL").write_bytes(b"".join(remote))

# An image with its data at once, and the disk format that nova chooses from our schema.
with (directory / "data").open("rb") as data:
    whole = images.create(ctx, {"name": "whole", "is_public": True, "container_format": "bare", "disk_format": "raw"}, data)
saw["created with data"] = brief(whole, "status", "size", "is_public")
service = glance.get_default_image_service()
saw["default format"] = service._get_image_create_disk_format_default(ctx)

# A snapshot of an instance that boots from a volume has no data, and belongs to somebody else.
volume_mapping = [{"snapshot_id": "s1", "boot_index": 0}]
properties = {"instance_owner": "p2", "block_device_mapping": volume_mapping}
backed = images.create(ctx, {"name": "backed", "visibility": "shared", "size": 0, "properties": properties})
saw["volume-backed"] = brief(backed, "status", "size", "disk_format", "container_format", "block_device_mapping")
saw["members"] = [[one["member_id"], one["status"]] for one in service._client.call(ctx, 2, "list", "image_members", args=(backed["id"],))]

every = [image_id, whole["id"], backed["id"]]
waiting = images.create(ctx, {"name": "waiting", "visibility": "private", "properties": {"image_type": "backup"}})["id"]
renamed_at = images.get(ctx, image_id)["updated_at"].strftime("%Y-%m-%dT%H:%M:%SZ")


def listed(**options):
    return [one["id"] for one in images.get_all(ctx, **options)]


saw["listed"] = {
    "all": listed() == [waiting, *reversed(every)],
    "public": listed(filters={"is_public": "true"}) == [whole["id"]],
    "by status": listed(filters={"status": "queued"}) == [waiting],
    "by property": listed(filters={"property-image_type": "backup"}) == [waiting, image_id],
    "by name": listed(filters={"name": "whole"}) == [whole["id"]],
    "changed since": listed(filters={"changes-since": renamed_at}) == [waiting, *reversed(every)],
    "changed since a later time": listed(filters={"changes-since": "2100-01-01T00:00:00Z"}),
    "page": listed(limit=2) == [waiting, backed["id"]],
    "next page": listed(limit=2, marker=backed["id"]) == [whole["id"], image_id],
    "by small pages": listed(page_size=1, sort_key="created_at", sort_dir="asc") == [*every, waiting],
}

missing = "8a0c5f6c-0000-4000-8000-00000000000f"
too_long = {"p" * 256: "x"}
service._client.call(ctx, 2, "update", args=(image_id,), kwargs={"protected": True})
saw["refused"] = {
    "delete a protected image": refusal(images.delete, image_id),
    "delete a missing image": refusal(images.delete, missing),
    "show a missing image": refusal(images.get, missing),
    "update a missing image": refusal(images.update, missing, {"name": "x"}),
    "download a missing image": refusal(images.download, missing),
    "download an image without data": refusal(images.download, waiting),
    "create with a bad value": refusal(images.create, {"name": "x", "properties": too_long}),
    "create with a reserved name": refusal(images.create, {"name": "x", "properties": {"os_glance_x": "1"}}),
    "update with a bad value": refusal(images.update, image_id, {"properties": too_long}),
    "list after a missing image": refusal(images.get_all, marker=missing),
}
service._client.call(ctx, 2, "update", args=(image_id,), kwargs={"protected": False})

saw["deleted"] = [images.delete(ctx, one) for one in [*every, waiting]]
saw["left"] = listed()
print(json.dumps(saw))

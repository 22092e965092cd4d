"""What nova does for a user whose token may have ended meanwhile: arguments are a directory with ``nova.conf`` and a file ``data``, the user's token,
and the ids of user and project. Prints what it saw as JSON.

Runs in the clients' environment, where nothing of ours is installed.
"""

import json
import sys
from pathlib import Path

import nova.conf
from nova import context, exception
from nova.image import glance

directory, token, user, project = Path(sys.argv[1]), *sys.argv[2:]
nova.conf.CONF([], project="nova", default_config_files=[str(directory / "nova.conf")])
nova.conf.CONF.set_override("send_service_user_token", True, "service_user")
ctx = context.RequestContext(user, project, auth_token=token, service_catalog=[])
images = glance.API()
saw = {}

with (directory / "data").open("rb") as data:
    image = images.create(ctx, {"name": "snapshot", "container_format": "bare", "disk_format": "raw"}, data)
saw["created"] = [image["status"], image["owner"] == project]
images.download(ctx, image["id"], dest_path=str(directory / "copy"))
# others may have made public images in the same service
saw["listed"] = [one["id"] for one in images.get_all(ctx) if one["owner"] == project] == [image["id"]]

nova.conf.CONF.set_override("send_service_user_token", False, "service_user")
alone = context.RequestContext(user, project, auth_token=token, service_catalog=[])
try:
    images.get(alone, image["id"])
    saw["alone"] = "found"
except exception.NovaException as error:
    saw["alone"] = type(error).__name__
print(json.dumps(saw))

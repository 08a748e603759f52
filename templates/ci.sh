#!/bin/sh
# What a CI runs in a checkout, whichever CI it is. Nothing that was built before is built again, if the CI
#   - restores the folder .panorama before, and keeps it afterwards; or
#   - names the team's shared store: PANORAMA_CACHE=s3://my-bucket/cache, or `cache:` in panorama.yaml.
# TRUSTED=no is for what anyone can propose, such as a pull request: it takes from the shared store and gives nothing,
# and publishes nothing.
set -eu
if [ "${TRUSTED:-yes}" = yes ]; then
    doit run publish
else
    PANORAMA_CACHE_READ_ONLY=yes doit run check graph package
fi
panorama-build gc --yes  # what nothing has needed for 30 days; otherwise .panorama would only grow

"""openapi-spec-validator on the served description."""

import json
import os
import urllib.request

from openapi_spec_validator import validate

request = urllib.request.Request(os.environ["SERVER"] + "/openapi.json", headers={"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"]})
with urllib.request.urlopen(request) as response:
    described = json.load(response)
validate(described)
print(json.dumps(sorted(described["paths"])))

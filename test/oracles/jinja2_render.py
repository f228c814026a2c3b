"""Renders templates with Jinja2 3.1.6, configured as Hugging Face's tokenizers do.

From the standard input {"templates": [...], "variables": {...}}, to the standard output a list of texts; null where a template fails.
"""

import datetime
import json
import sys

import jinja2
import jinja2.nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

assert jinja2.__version__ == "3.1.6"


class Generation(Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_render"), [], [], body).set_lineno(line)

    def _render(self, caller):
        return caller()


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
environment.filters["tojson"] = tojson
environment.globals["raise_exception"] = raise_exception
environment.globals["strftime_now"] = datetime.datetime(2025, 7, 4, 12, 0, 0).strftime


def render(template, variables):
    try:
        text = environment.from_string(template).render(**variables)
        text.encode()  # lone surrogates are no text
        return text
    except Exception:
        return None


if __name__ == "__main__":
    given = json.load(sys.stdin)
    print(json.dumps([render(template, given["variables"]) for template in given["templates"]]))

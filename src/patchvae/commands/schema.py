"""The JSON schemas of params.yaml, which editors read, and of metrics files.

They are committed: `python -m patchvae.commands.schema NAME > workflow/schemas/NAME.schema.json`.
"""

import ast
import inspect
import io
import json
import re
import sys
import tokenize
from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from patchvae.params.parameters import Parameters
from patchvae.records.metrics_files import KINDS

INNERMOST = re.compile(r'\{(?:"(?:[^"\\]|\\.)*"|[^{}\[\]"])*\}')  # objects that hold no other, a line each


class EditorSchema(GenerateJsonSchema):
    """Describes a key by the comment beside it in its model, without titles, which would repeat it, and defaults."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made, cls = super().model_schema(schema), schema["cls"]
        for name, text in descriptions(cls).items():
            made["properties"][cls.model_fields[name].alias or name]["description"] = text
        return made

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def descriptions(cls: type[BaseModel]) -> dict[str, str]:
    """The comments beside a model's fields, its bases' included."""
    found = {}
    for base in reversed(cls.__mro__[: cls.__mro__.index(BaseModel)]):
        source = inspect.getsource(base)
        tokens = tokenize.generate_tokens(io.StringIO(source).readline)
        comments = {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}
        (tree,) = ast.parse(source).body
        assert isinstance(tree, ast.ClassDef)
        for node in tree.body:
            match node:
                case ast.AnnAssign(target=ast.Name(id=name), end_lineno=int(line)) if line in comments:
                    found[name] = comments[line].removeprefix("# ")
    return found


def json_schema(name: str) -> str:
    """The schema of `params` or `metrics`, as it is committed."""
    results: Any = reduce(or_, (kind.result for kind in KINDS.values()))
    described: Any = Parameters if name == "params" else Annotated[results, Field(discriminator="rule")]
    made = TypeAdapter(described).json_schema(schema_generator=EditorSchema)
    text = json.dumps(made, indent=1, sort_keys=True) + "\n"
    return INNERMOST.sub(lambda found: re.sub(r"\n *", " ", found[0]), text)


if __name__ == "__main__":
    print(json_schema(*sys.argv[1:]), end="")

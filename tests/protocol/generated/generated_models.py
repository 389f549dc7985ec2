"""
Models that public generators make of both documents, in Java, Kotlin and Go: ``make generated-models``.

quicktype reads the schemas of protocol/asyncapi.yaml, OpenAPI Generator reads protocol/openapi.yaml. The
models are compiled. Each reads every example of its document, once as it stands and once without its null
fields, and writes it again; what it writes must mean the same. The models refuse fields that they do not
know, so a field that is missing in a document fails as well.

Needs Node 20, a JDK 17, Maven and Go. Downloads are kept in build/generated-models. pytest does not collect
this file by itself, since a first run takes minutes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from relevo.protocol import ERRORS, asyncapi, openapi
from relevo.protocol.commands import COMMANDS
from relevo.protocol.errors import Details
from relevo.protocol.examples import ERROR_EXAMPLES

HERE = Path(__file__).parent
BUILD = Path(__file__).parents[3] / "build/generated-models"
OPENAPI_GENERATOR = "7.25.0"
LANGUAGES = ("java", "kotlin", "go")
DOCUMENTS = {"events": asyncapi.document(), "api": openapi.document()}
# What models in Java import of the client around them.
JAVA_SUPPORT = (
    "ApiClient",
    "JSON",
    "Pair",
    "RFC3339DateFormat",
    "RFC3339InstantDeserializer",
    "RFC3339JavaTimeModule",
)
MAVEN = ("mvn", "--batch-mode", "--quiet", f"-Dmaven.repo.local={BUILD / 'm2'}")


class Example(NamedTuple):
    """One value of a document, and the schema that describes it."""

    schema: str
    value: Any


def schema_of(part: dict[str, Any]) -> str:
    return str(part["$ref"]).rpartition("/")[2]


def examples_of_events() -> Iterator[Example]:
    for name, message in DOCUMENTS["events"]["components"]["messages"].items():
        for example in message["examples"]:
            yield Example(schema_of(message["payload"]), example["payload"])
            yield Example("ClientMessage" if name in COMMANDS else "ServerMessage", example["payload"])


def examples_of_api() -> Iterator[Example]:
    document = DOCUMENTS["api"]
    for path in document["paths"].values():
        content = path["post"]["requestBody"]["content"]["application/json"]
        yield Example(schema_of(content["schema"]), content["example"])
        content = path["post"]["responses"]["200"]["content"]["application/json"]
        yield Example(schema_of(content["schema"]), content["example"])
    for response in document["components"]["responses"].values():
        content = response["content"]["application/json"]
        for example in content["examples"].values():
            yield Example(schema_of(content["schema"]), example["value"])
    for error in ERROR_EXAMPLES:
        details = ERRORS[error.code].details
        if details is not Details:
            yield Example(details.__name__, error.details)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


# `Empty` has no fields, and a map is all that a generator makes of it.
EXAMPLES = {
    "events": [example for example in examples_of_events() if example.schema != "Empty"],
    "api": [example for example in examples_of_api() if example.schema != "Empty"],
}


def run(*command: str | Path, cwd: Path = HERE) -> str:
    """Run a tool and return what it prints; its output is the failure's text."""
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout


def generate_events(sources: Path) -> None:
    """Let quicktype make the models of the websocket."""
    if not (HERE / "node_modules").is_dir():
        run("npm", "ci", "--silent")
    document = sources / "asyncapi.json"
    document.write_text(json.dumps(DOCUMENTS["events"]))
    quicktype = (
        HERE / "node_modules/.bin/quicktype",
        "--src-lang",
        "schema",
        f"{document}#/components/schemas/",
    )
    java = sources / "java/relevo/java/events"
    kotlin = sources / "kotlin"
    go = sources / "go/events"
    for folder in (java, kotlin, go):
        folder.mkdir(parents=True)
    run(
        *quicktype,
        "--lang",
        "java",
        "--package",
        "relevo.java.events",
        "--array-type",
        "list",
        "--out",
        java / "Converter.java",
    )
    run(
        *quicktype,
        "--lang",
        "kotlin",
        "--framework",
        "jackson",
        "--package",
        "relevo.kotlin.events",
        "--out",
        kotlin / "Events.kt",
    )
    run(*quicktype, "--lang", "go", "--package", "events", "--out", go / "events.go")


def generate_api(sources: Path) -> None:
    """Let OpenAPI Generator make the models of HTTP."""
    artifact = f"org.openapitools:openapi-generator-cli:{OPENAPI_GENERATOR}"
    name = f"openapi-generator-cli-{OPENAPI_GENERATOR}.jar"
    jar = BUILD / "m2/org/openapitools/openapi-generator-cli" / OPENAPI_GENERATOR / name
    if not jar.is_file():
        run(*MAVEN, "dependency:get", f"-Dartifact={artifact}", "-Dtransitive=false")
    document = sources / "openapi.json"
    document.write_text(json.dumps(DOCUMENTS["api"]))
    only_models = {"models": "", "modelTests": "false", "modelDocs": "false"}
    options: dict[str, dict[str, Any]] = {
        "java": {
            "library": "native",
            "modelPackage": "relevo.java.api",
            "invokerPackage": "relevo.java.api",
            "globalProperties": only_models
            | {"supportingFiles": ",".join(f"{name}.java" for name in JAVA_SUPPORT)},
            "additionalProperties": {"openApiNullable": "false", "useJakartaEe": "true"},
        },
        "kotlin": {
            "modelPackage": "relevo.kotlin.api",
            "packageName": "relevo.kotlin.api",
            "globalProperties": only_models,
            "additionalProperties": {"serializationLibrary": "jackson"},
        },
        "go": {
            "packageName": "api",
            "globalProperties": only_models | {"supportingFiles": "utils.go"},
            # In Go the values of all enumerations share one namespace.
            "additionalProperties": {"enumClassPrefix": "true"},
        },
    }
    configurations = []
    for language, option in options.items():
        configuration = sources / f"{language}.json"
        whole = {
            "generatorName": language,
            "inputSpec": str(document),
            "outputDir": str(sources / f"openapi-{language}"),
        }
        configuration.write_text(json.dumps(whole | option))
        configurations.append(configuration)
    run("java", "-jar", jar, "batch", "--fail-fast", *configurations)
    shutil.copytree(sources / "openapi-java/src/main/java", sources / "java", dirs_exist_ok=True)
    shutil.copytree(sources / "openapi-kotlin/src/main/kotlin", sources / "kotlin", dirs_exist_ok=True)
    shutil.copytree(sources / "openapi-go", sources / "go/api", ignore=shutil.ignore_patterns(".openapi*"))


def classes_in(folder: Path, declaration: str) -> dict[str, str]:
    """Return the names that sources declare, by the name in lower case: generators write `ACK` or `Ack`."""
    names = {
        name
        for path in folder.rglob("*")
        if path.suffix in (".java", ".kt", ".go")
        for name in re.findall(declaration, path.read_text(), re.MULTILINE)
    }
    return {name.lower(): name for name in names}


def write_go_program(sources: Path) -> None:
    """Write the program that reads examples with the models in Go: it needs a table of them."""
    lines = []
    for package, examples in EXAMPLES.items():
        names = classes_in(sources / "go" / package, r"^type (\w+) ")
        for schema in sorted({example.schema for example in examples}):
            name = f"{package}.{names[schema.lower()]}"
            lines.append(f'\t"{package} {schema}": func() any {{ return new({name}) }},')
    program = (HERE / "reader.go").read_text()
    (sources / "go/main.go").write_text(program.replace("\t// MODELS", "\n".join(lines)))
    (sources / "go/go.mod").write_text("module relevo\n\ngo 1.21\n")


@pytest.fixture(scope="module")
def sources() -> Path:
    """Generate all models, compile them, and return their folder."""
    missing = [tool for tool in ("node", "npm", "java", "javac", "mvn", "go") if shutil.which(tool) is None]
    assert not missing, f"not on PATH: {', '.join(missing)}"
    folder = BUILD / "sources"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    generate_events(folder)
    generate_api(folder)
    shutil.copy(HERE / "Reader.java", folder / "java/relevo/Reader.java")
    write_go_program(folder)
    run(*MAVEN, "--file", HERE / "pom.xml", f"-Dgenerated={folder}", "compile")
    run("go", "build", "-o", folder / "reader", ".", cwd=folder / "go")
    return folder


def read_with(language: str, package: str, sources: Path) -> list[str]:
    """Return what the models say of each example: "ok", or why it cannot be read."""
    if language == "go":
        names = {example.schema.lower(): f"{package} {example.schema}" for example in EXAMPLES[package]}
        program: list[str | Path] = [sources / "reader"]
    else:
        declared = classes_in(
            sources / language, r"^(?:public |data |open )*(?:enum )?(?:class|interface) (\w+)"
        )
        names = {low: f"relevo.{language}.{package}.{name}" for low, name in declared.items()}
        classpath = f"{sources / 'target/classes'}{os.pathsep}{(sources / 'classpath').read_text()}"
        program = ["java", "-cp", classpath, "relevo.Reader"]
    lines = [
        f"{names[schema.lower()]}\t{json.dumps(form)}"
        for schema, value in EXAMPLES[package]
        for form in (value, without_nulls(value))
    ]
    examples = sources / f"{language}-{package}.examples"
    examples.write_text("\n".join(lines) + "\n")
    return run(*program, examples).splitlines()


@pytest.mark.parametrize("package", EXAMPLES)
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.timeout(3600)
def test_generated_models_read_every_example(language: str, package: str, sources: Path) -> None:
    verdicts = read_with(language, package, sources)

    assert len(verdicts) == 2 * len(EXAMPLES[package]) > 60
    assert [verdict for verdict in verdicts if verdict != "ok"] == []

"""The audit of locked versions: a planted vulnerability fails it, a missing network does not."""

from __future__ import annotations

import importlib.util
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parent.parent / "tools/audit_dependencies.py"
installed = pytest.mark.skipif(importlib.util.find_spec("pip_audit") is None, reason="pip-audit is not installed")


@pytest.fixture
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit_dependencies", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _Database(BaseHTTPRequestHandler):
    """Knows one vulnerability, of torch."""

    def do_GET(self) -> None:
        self.send_error(404)

    def do_POST(self) -> None:
        package = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]["name"]
        known = {"id": "PLANTED-1", "modified": "2026-01-01T00:00:00Z", "details": "planted", "affected": []}
        answer = json.dumps({"vulns": [known]} if package == "torch" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def database() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Database)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    thread.join()
    server.server_close()


def test_without_a_network_it_says_so_and_passes(
    audit: ModuleType, database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "find_spec", lambda _: object())
    monkeypatch.setattr(audit.subprocess, "call", lambda _: 1)
    assert audit.main("http://127.0.0.1:9/v1/query") == 0
    assert "skipped: http://127.0.0.1:9/v1/query cannot be reached" in capsys.readouterr().out
    assert audit.main(database) == 1, "a database that answers is asked, and its verdict counts"


def test_without_pip_audit_it_says_so_and_passes(
    audit: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "find_spec", lambda _: None)
    assert audit.main() == 0
    assert "skipped: pip-audit is not installed" in capsys.readouterr().out


@installed
@pytest.mark.parametrize(("lock", "code"), [("torch==2.14.1\n", 1), ("numpy==2.4.6\n", 0)])
def test_a_planted_vulnerability_fails(lock: str, code: int, audit: ModuleType, database: str, tmp_path: Path) -> None:
    (tmp_path / "lock.txt").write_text(lock, encoding="utf-8")
    assert audit.main(database, tmp_path / "lock.txt") == code

"""The broker's HTTP API, as far as the script needs it: policies, limits, users, virtual hosts. Standard library only."""

import base64
import json
import urllib.error
import urllib.parse
import urllib.request


class Admin:
    """Calls of one user. What `put` makes is deleted again at the end."""

    def __init__(self, talk):
        self.talk, self.made = talk, []
        address = talk.address
        self.base = f"http://{address.host}:{address.http_port}/api"
        self.login = "Basic " + base64.b64encode(f"{address.user}:{address.password}".encode()).decode()

    def call(self, method, path, body=None):
        """(status, decoded body or None). `path` is a list of segments, each still to be encoded."""
        url = "/".join([self.base, *(urllib.parse.quote(segment, safe="") for segment in path)])
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"authorization": self.login, "content-type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        if method == "PUT" and status < 300 and path not in self.made:
            self.made.append(path)
        try:
            return status, json.loads(text) if text else None
        except ValueError:
            return status, text.decode("utf-8", "replace")

    def quietly(self, method, *path, body=None):
        status, answer = self.call(method, list(path), body)
        if status >= 300:
            raise RuntimeError(f"{method} {'/'.join(path)}: {status} {answer}")
        return answer

    def op(self, operation, method, *path, body=None, show=()):
        """One call: its status, the fields in `show`, and what an error says."""
        self.talk.begin(operation)
        said = f" {body.decode()}" if isinstance(body, bytes) else "" if body is None else f" {json.dumps(body)}"
        self.talk.write(operation, f"> http {method} /{'/'.join(path)}{said}")
        status, answer = self.call(method, list(path), body)
        # 201 for new and 204 for known is RabbitMQ's; both are shown.
        self.talk.write(operation, f"< http {status}")
        if status >= 400 and isinstance(answer, dict):
            self.talk.write(operation, f"< http {answer.get('error')}: {answer.get('reason')!r}")
        elif status < 300 and show and answer is not None:
            for item in answer if isinstance(answer, list) else [answer]:
                self.talk.write(operation, "< http " + json.dumps({key: item.get(key) for key in show}, sort_keys=True))
        return answer

    def end(self):
        for path in reversed(self.made):
            if path[0] in ("vhosts", "users", "policies", "operator-policies"):
                try:
                    self.call("DELETE", path)
                except OSError:
                    pass

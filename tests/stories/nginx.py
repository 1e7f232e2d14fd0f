"""nginx as a real origin."""

import os
import shutil
import socket
import subprocess

import pytest

from wire import eventually

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


class Nginx:
    """nginx in front of a folder, on a port of its own; its access log is the record."""

    def __init__(self, folder, site, tls=None, more=""):
        """tls: an Authority; then it speaks HTTP/2 as well. more: further lines of its configuration."""
        if NGINX is None:
            pytest.fail("the stories need nginx (Debian: nginx-light)")
        self.log = folder / "access.log"
        self.tls = tls
        how = f"ssl http2; ssl_certificate {tls.folder}/site.pem; ssl_certificate_key {tls.folder}/site.key" if tls else ""
        while True:
            with socket.create_server(("127.0.0.1", 0)) as probe:
                self.port = probe.getsockname()[1]
            (folder / "nginx.conf").write_text(f"""
                daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
                {"user root;" if os.geteuid() == 0 else ""}
                events {{ worker_connections 256; }}
                http {{
                    access_log {self.log}; root {site}; client_body_temp_path {folder}/tmp; proxy_temp_path {folder}/tmp;
                    fastcgi_temp_path {folder}/tmp; uwsgi_temp_path {folder}/tmp; scgi_temp_path {folder}/tmp;
                    types {{ text/html html; text/plain txt; }} default_type application/octet-stream;
                    {more} server {{ listen 127.0.0.1:{self.port} {how}; }}
                }}""")
            self.process = subprocess.Popen([NGINX, "-c", folder / "nginx.conf", "-e", folder / "error.log"], stderr=subprocess.PIPE)
            if eventually(self.state) == "up":
                return

    def state(self):
        if self.process.poll() is not None:
            return "port taken" if b"in use" in self.process.stderr.read() else pytest.fail("nginx did not start")
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
            return "up"
        except OSError:
            return None

    @property
    def host(self):
        return ("localhost" if self.tls else "127.0.0.1") + f":{self.port}"

    def url(self, path=""):
        return ("https://" if self.tls else "http://") + self.host + path

    def count(self, path):
        return sum(f" {path} " in line for line in self.log.read_text().splitlines())

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stderr.close()

"""A certificate authority of the test's own, by openssl: certificates for names, signed and ready."""

import subprocess


class Authority:
    """An authority in a folder."""

    def __init__(self, folder, name="Test Authority"):
        self.folder = folder
        self.certificate = folder / "authority.pem"
        self._key = folder / "authority.key"
        self._serial = 0
        folder.mkdir(parents=True)
        _openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", f"/CN={name}", "-keyout", self._key, "-out", self.certificate,
        )

    def issue(self, name, *names, subject=None):
        """A certificate and its key: `name.pem` and `name.key`. Issued again, they are new ones of the same name."""
        self._serial += 1
        certificate, key, request = (self.folder / f"{name}.{kind}" for kind in ("pem", "key", "csr"))
        extensions = self.folder / f"{name}.ext"
        alternatives = ",".join(f"IP:{one}" if one[0].isdigit() else f"DNS:{one}" for one in names or (name,))
        extensions.write_text(f"subjectAltName={alternatives}\nbasicConstraints=CA:FALSE\n")
        _openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", subject or f"/CN={name}", "-keyout", key, "-out", request,
        )
        _openssl(
            "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key, "-days", "20",
            "-set_serial", str(1000 + self._serial), "-extfile", extensions, "-out", certificate,
        )
        key.chmod(0o600)
        return certificate, key

    def serial(self):
        """The serial number of the certificate that was issued last."""
        return 1000 + self._serial


def _openssl(*arguments):
    command = ["openssl", *(str(argument) for argument in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.strip()}")

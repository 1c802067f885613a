//! A certificate authority of the test's own and a server certificate for `localhost` and
//! `127.0.0.1`, made by the `openssl` command.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the files lie.
pub(crate) struct Certificates {
    /// The authority's certificate, PEM.
    pub(crate) ca: PathBuf,
    /// The server's certificate, PEM.
    pub(crate) cert: PathBuf,
    /// The server's key, PEM.
    pub(crate) key: PathBuf,
}

impl Certificates {
    /// Makes both in `dir`.
    pub(crate) fn make(dir: &Path) -> Self {
        let path = |name: &str| dir.join(name);
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"];
        openssl(
            dir,
            &[
                &["req", "-x509"],
                &curve[..],
                &["-subj", "/CN=tern test authority", "-addext", "keyUsage=critical,keyCertSign"],
                &["-keyout", "ca.key", "-out", "ca.pem"],
            ]
            .concat(),
        );
        openssl(
            dir,
            &[
                &["req"],
                &curve[..4],
                &["-nodes", "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr"],
            ]
            .concat(),
        );
        let extensions = "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n";
        std::fs::write(path("server.ext"), extensions).expect("the extensions");
        let sign = "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 20 -extfile server.ext";
        openssl(dir, &[&sign.split(' ').collect::<Vec<_>>()[..], &["-out", "server.pem"]].concat());
        Self { ca: path("ca.pem"), cert: path("server.pem"), key: path("server.key") }
    }
}

fn openssl(dir: &Path, args: &[&str]) {
    let out = Command::new("openssl").args(args).current_dir(dir).output().expect("the openssl command");
    assert!(out.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&out.stderr));
}

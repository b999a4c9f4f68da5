//! Secrets of new clients in files: read where they are there, else generated and written, for this user alone and for good,
//! before the client is created. A file is never overwritten. Each folder is locked until the outcome is known, so that nobody else
//! uses a file that is removed again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::cli::{Failed, Outcome, output};
use crate::crypto::{base64url, from_base64url, random, sha256};

/// The longest secret that a file may have, in bytes.
const LONGEST: u64 = 4096;

/// The most files that are told one by one.
const MOST_TOLD: usize = 20;

/// A secret for a new client.
pub(super) enum Secret {
    /// It was in its file, chosen by somebody.
    Given(SecretString),
    /// It was generated, now or by an earlier run whose outcome is unknown: its SHA-256 (base64url).
    Generated(String),
}

/// The files that were read or written; those are removed if what they were written for does not happen.
#[derive(Default)]
pub(super) struct Written {
    files: Vec<(String, PathBuf)>,
    /// The client of each file, by device and number, under whatever name.
    clients: HashMap<(u64, u64), String>,
    /// Open for as long as they are locked.
    folders: BTreeMap<PathBuf, File>,
}

impl Written {
    /// Makes and locks the folders of these files; waits for whoever has them.
    pub(super) fn lock<'a>(&mut self, paths: impl Iterator<Item = &'a PathBuf>) -> Outcome {
        let folders: BTreeSet<&Path> = paths.map(|path| folder_of(path)).collect();
        for folder in folders {
            let failed = |error: std::io::Error| Failed(format!("{} cannot be used: {error}", folder.display()));
            make_folder(folder).map_err(failed)?;
            // Under one name, or this program would wait for itself.
            let folder = folder.canonicalize().map_err(failed)?;
            if self.folders.contains_key(&folder) {
                continue;
            }
            let open = File::open(&folder).map_err(failed)?;
            if matches!(open.try_lock(), Err(TryLockError::WouldBlock)) {
                output::note(&format!("Waiting for another run that uses {}.", folder.display()))?;
                open.lock().map_err(failed)?;
            }
            self.folders.insert(folder, open);
        }
        Ok(())
    }

    /// The secret in this file, which is generated if there is no such file.
    pub(super) fn secret(&mut self, client_id: &str, path: &Path, prefix: &str) -> Result<Secret, Failed> {
        let secret = self.read_or_write(client_id, path, prefix)?;
        let file = fs::metadata(path).map_err(|error| Failed(format!("{} cannot be read: {error}", path.display())))?;
        if let Some(other) = self.clients.insert((file.dev(), file.ino()), client_id.to_owned()) {
            return Err(Failed(format!("{} is the file of {client_id} and of {other}", path.display())));
        }
        Ok(secret)
    }

    fn read_or_write(&mut self, client_id: &str, path: &Path, prefix: &str) -> Result<Secret, Failed> {
        if let Some(given) = read(path)? {
            return Ok(if is_generated(given.expose_secret(), prefix) {
                Secret::Generated(base64url(sha256(given.expose_secret().as_bytes())))
            } else {
                Secret::Given(given)
            });
        }
        let secret = Zeroizing::new(format!("{prefix}{}", base64url(random::<32>())));
        write(path, secret.as_bytes()).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                Failed(format!("{} was made at the same time; nothing was applied: try again", path.display()))
            }
            _ => Failed(format!("{} cannot be written: {error}", path.display())),
        })?;
        self.files.push((client_id.to_owned(), path.to_owned()));
        Ok(Secret::Generated(base64url(sha256(secret.as_bytes()))))
    }

    /// Makes the names of the files as durable as their content is.
    pub(super) fn sync(&self) -> Outcome {
        // Also where files were only read: an earlier run may have stopped before this.
        for (path, folder) in &self.folders {
            let synced = folder.sync_all();
            synced.map_err(|error| Failed(format!("{} cannot be made durable: {error}", path.display())))?;
        }
        Ok(())
    }

    /// Removes the files of the clients that were not created.
    pub(super) fn keep(&mut self, is_created: impl Fn(&str) -> bool) {
        self.files.retain(|(client_id, path)| {
            let keeps = is_created(client_id);
            if !keeps {
                remove(path);
            }
            keeps
        });
    }

    /// Tells where the secrets are.
    pub(super) fn tell(&self) -> Outcome {
        if self.files.len() > MOST_TOLD {
            return output::note(&format!("{} secrets are in files of their own.", self.files.len()));
        }
        self.files.iter().try_for_each(|(client_id, path)| {
            output::note(&format!("The secret of {client_id} is in {}.", path.display()))
        })
    }
}

/// Whether a secret has the form of those that are generated here, which are too long to be guessed.
fn is_generated(secret: &str, prefix: &str) -> bool {
    secret.strip_prefix(prefix).is_some_and(|rest| from_base64url(rest).is_some_and(|bytes| bytes.len() == 32))
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(file = %path.display(), %error, "the file has a secret that nothing uses, and cannot be removed");
    }
}

/// The file of a client in a folder for secrets.
pub(super) fn in_folder(folder: &Path, client_id: &str) -> PathBuf {
    let name: String = client_id
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    folder.join(name)
}

fn read(path: &Path) -> Result<Option<SecretString>, Failed> {
    let unreadable = |error: std::io::Error| Failed(format!("{} cannot be read: {error}", path.display()));
    // Before it is opened: opening a pipe would wait for its writer.
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    if !metadata.is_file() {
        return Err(Failed(format!("{} is not a file", path.display())));
    }
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    let (mode, owner) = (metadata.permissions().mode(), metadata.uid());
    if mode & 0o022 != 0 || owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(Failed(format!(
            "{} could be written by other users of this machine, who would know the secret: it must be yours alone (mode 0600)",
            path.display()
        )));
    }
    if mode & 0o077 != 0 {
        tracing::warn!(file = %path.display(), "other users of this machine may read this secret: its mode should be 0600");
    }
    let mut text = Zeroizing::new(String::new());
    file.take(LONGEST).read_to_string(&mut text).map_err(unreadable)?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(Failed(format!("{} is empty: it must have a secret, or not be there", path.display())));
    }
    Ok(Some(SecretString::from(secret)))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a folder, as durable as the files in it will be: each new folder is written down in the one above.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let above = folder_of(folder);
    make_folder(above)?;
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => made?,
    }
    File::open(above)?.sync_all()
}

/// Writes a file that is not there yet: whole or not at all.
fn write(path: &Path, secret: &[u8]) -> std::io::Result<()> {
    let folder = folder_of(path);
    let draft = folder.join(format!(".jeton-{}", base64url(random::<12>())));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(secret)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        // A link is made only where nothing is, not even a dangling link.
        fs::hard_link(&draft, path)
    })();
    let removed = fs::remove_file(&draft);
    written?;
    removed
}

/// Puts a secret into the members of its client.
pub(super) fn put(secret: &Secret, client: &mut crate::admin::apply::Object) {
    let (name, text) = match secret {
        Secret::Given(text) => ("client_secret", text.expose_secret()),
        Secret::Generated(hash) => ("client_secret_sha256", hash.as_str()),
    };
    client.insert(name.to_owned(), text.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_written_once_for_its_user_alone_and_read_from_then_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/worker");
        let mut written = Written::default();
        written.lock([path.clone(), folder.path().join("new/../new/other")].iter()).unwrap();
        let Secret::Generated(hash) = written.secret("worker", &path, "jcs_live_").unwrap() else { panic!() };
        let text = fs::read_to_string(&path).unwrap();
        let secret = text.strip_suffix('\n').unwrap();
        assert!(secret.starts_with("jcs_live_") && secret.len() == 52, "{secret}");
        assert_eq!(hash, base64url(sha256(secret.as_bytes())));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "the draft is gone");
        assert!(written.secret("other", &path, "jcs_live_").is_err(), "no two clients get the same secret");
        let same = folder.path().join("new/../new/worker");
        assert!(written.secret("other", &same, "jcs_live_").is_err(), "under whatever name");
        let Secret::Generated(again) = Written::default().secret("worker", &path, "jcs_live_").unwrap() else {
            panic!()
        };
        assert_eq!(again, hash, "what was generated is not sent, whoever asks");
        let Secret::Given(given) = Written::default().secret("worker", &path, "jcs_test_").unwrap() else { panic!() };
        assert_eq!(given.expose_secret(), secret);
        assert_eq!(write(&path, b"x").unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        written.keep(|_| true);
        assert!(path.exists());
        written.keep(|_| false);
        assert!(!path.exists());
    }

    #[test]
    fn a_secret_that_others_may_have_put_there_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("laid");
        fs::write(&path, "known to somebody").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).unwrap();
        assert!(Written::default().secret("worker", &path, "jcs_live_").is_err());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(Written::default().secret("worker", &path, "jcs_live_").is_ok());
    }

    #[test]
    fn a_folder_is_used_by_one_run_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker");
        let mut written = Written::default();
        written.lock([path].iter()).unwrap();
        let other = File::open(folder.path()).unwrap();
        assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)));
        drop(written);
        other.try_lock().unwrap();
    }

    #[test]
    fn a_link_is_not_followed_and_an_empty_file_is_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let (link, target) = (folder.path().join("link"), folder.path().join("target"));
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(Written::default().secret("a", &link, "jcs_live_").is_err());
        assert!(!target.exists());
        fs::write(&target, "\n").unwrap();
        assert!(Written::default().secret("a", &target, "jcs_live_").is_err());
    }

    #[test]
    fn the_name_of_a_file_never_leaves_its_folder() {
        for (id, name) in
            [("worker", "worker"), ("../x", "%2E%2E%2Fx"), ("https://a", "https%3A%2F%2Fa"), ("a b", "a%20b")]
        {
            assert_eq!(in_folder(Path::new("d"), id), Path::new("d").join(name));
        }
    }
}

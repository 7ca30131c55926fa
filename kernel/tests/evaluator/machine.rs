//! What happens to a session when the machine changes under it: a full disk, another toolchain.

use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::notebook::Notebook;

/// Small disks, for this thread and the processes that it starts.
#[cfg(target_os = "linux")]
mod disk {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;
    use std::ptr::null;

    fn text(path: &Path) -> CString {
        CString::new(path.as_os_str().as_bytes()).unwrap()
    }

    /// What this thread mounts from now on nobody else sees.
    pub fn own_mounts() -> bool {
        // SAFETY: plain system calls with texts that outlive them.
        unsafe {
            libc::unshare(libc::CLONE_NEWNS) == 0
                && libc::mount(null(), c"/".as_ptr(), null(), libc::MS_REC | libc::MS_PRIVATE, null()) == 0
        }
    }

    pub fn mount_small(folder: &Path, size: &str) -> bool {
        let (at, options) = (text(folder), CString::new(format!("size={size}")).unwrap());
        // SAFETY: as above.
        unsafe { libc::mount(c"none".as_ptr(), at.as_ptr(), c"tmpfs".as_ptr(), 0, options.as_ptr().cast()) == 0 }
    }

    pub fn bind(from: &Path, to: &Path) -> bool {
        let (from, to) = (text(from), text(to));
        // SAFETY: as above.
        unsafe { libc::mount(from.as_ptr(), to.as_ptr(), null(), libc::MS_BIND, null()) == 0 }
    }

    pub fn unmount(folder: &Path) {
        let at = text(folder);
        // SAFETY: as above.
        unsafe { libc::umount2(at.as_ptr(), libc::MNT_DETACH) };
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_in_plain_words_and_variables_stay() {
    if !disk::own_mounts() {
        println!("skipped: only root may mount a small disk");
        return;
    }
    let Some(mut notebook) = Notebook::open() else { return };
    notebook.once("let kept = vec![1, 2, 3]; fn f() -> usize { 7 }");
    let folder = notebook.evaluator.folder().to_owned();
    let aside = tempfile::tempdir().unwrap();
    assert!(disk::bind(&folder.join("deps"), aside.path()) && disk::mount_small(&folder, "512k"));
    symlink(aside.path(), folder.join("deps")).unwrap();
    assert_eq!(notebook.once("kept.len()"), "3");

    let filler = folder.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    // Without room for the cell's text; then with room for that, and none for what rustc makes of it.
    for room in [0, 8 << 10] {
        let length = file.metadata().unwrap().len();
        file.set_len(length - room).unwrap();
        let (name, words) = notebook.fail("kept[0]");
        assert_eq!(name, "error");
        assert!(words.contains("is full") && words.contains("Make room and run it again"), "{words}");
    }
    let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = names.filter(|name| name.contains("cell_")).collect();
    assert!(left.is_empty(), "{left:?}");
    // A cell's own trouble with a disk is the cell's.
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    let (_, words) = notebook.fail("std::fs::write(\"/dev/full\", \"x\")?;");
    assert!(words.contains("No space left") && !words.contains("Make room"), "{words}");
    assert_eq!(notebook.once("kept.len() + f()"), "10");
    disk::unmount(&folder);
    disk::unmount(aside.path());
}

fn program(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// With programs in the places of rustc, which names itself a newer one, and of Cargo, which notes what it is asked for.
#[test]
fn after_an_update_of_the_toolchain_the_library_is_built_anew_and_that_is_said() {
    if Notebook::open().is_none() {
        return;
    }
    let asked = |arguments: &[&str]| {
        let answer = Command::new("rustc").args(arguments).output().unwrap();
        String::from_utf8(answer.stdout).unwrap().trim().to_owned()
    };
    let real = asked(&["--print", "sysroot"]);
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().display();
    std::fs::create_dir(folder.path().join("bin")).unwrap();
    symlink(Path::new(&real).join("lib"), folder.path().join("lib")).unwrap();
    let other = r#"{"$message_type":"diagnostic","message":"found crate `scdd` compiled by an incompatible version of rustc","code":{"code":"E0514","explanation":null},"level":"error","spans":[],"children":[],"rendered":"error[E0514]: found crate"}"#;
    program(
        &folder.path().join("bin/rustc"),
        &format!(
            "#!/bin/sh\ncase \"$*\" in\n*'--print sysroot'*) echo {here};;\n--version) echo 'rustc 9.9.9 (of a test)';;\n\
             *) if [ -e {here}/updated ]; then echo '{other}' >&2; exit 1; fi; exec {real}/bin/rustc \"$@\";;\nesac\n"
        ),
    );
    program(&folder.path().join("bin/cargo"), &format!("#!/bin/sh\necho \"$@\" >> {here}/asked\n"));
    let list = folder.path().join("cells.txt");
    let cells = [
        "let first = 20; first + 1".to_owned(),
        format!("std::fs::write(\"{here}/updated\", \"\")?;"),
        "first + 2".to_owned(),
    ];
    std::fs::write(&list, cells.map(|cell| format!("//%% cell\n{cell}\n")).concat()).unwrap();
    let path = format!("{here}/bin:{}", std::env::var("PATH").unwrap());
    let ran = Command::new(env!("CARGO_BIN_EXE_scdd-kernel-cells"))
        .arg("run")
        .arg(&list)
        .env("PATH", path)
        .env("RUSTC", folder.path().join("bin/rustc"))
        .output()
        .unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    let built = std::fs::read_to_string(folder.path().join("asked")).unwrap_or_default();
    assert!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    assert!(built.contains("build --package scdd-facade"), "Cargo was asked for {built:?}\n{said}");
    assert!(said.contains("Building the library") && said.contains("rustc 9.9.9 (of a test)"), "{said}");
    assert!(said.contains("21"), "{said}");
    // And one that comes while the notebook runs.
    assert!(said.contains("toolchain was changed while this notebook ran"), "{said}");
    assert!(said.contains("restart the kernel"), "{said}");
}

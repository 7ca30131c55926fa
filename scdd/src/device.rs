//! Devices that tensors are on: the CPU by default, a GPU when its feature is compiled in.

use burn::tensor::Device;

/// A device that is not available.
#[derive(Debug, thiserror::Error)]
#[error("device '{asked}' is not available: {reason}; this build has {}. {hint}", available.join(", "))]
pub struct DeviceError {
    /// The requested name.
    pub asked: String,
    /// Why it is not available.
    pub reason: String,
    /// The available devices.
    pub available: Vec<String>,
    /// What to do.
    pub hint: &'static str,
}

/// The kinds of device that are compiled in, by name.
const COMPILED: &[&str] = &[
    "cpu",
    #[cfg(feature = "cuda")]
    "cuda",
    #[cfg(feature = "wgpu")]
    "wgpu",
];

/// The device of a name: `cpu`, `cuda`, `cuda:1`, `wgpu` or `wgpu:0` (the number counts from 0 and defaults to 0).
///
/// # Errors
/// When the kind was not compiled in (features `cuda` and `wgpu`), when there is no such device on this machine, or
/// when the name is none of these. The error lists what there is.
///
/// ```
/// let cpu = scdd::device("cpu")?;
/// assert!(scdd::device("cuda:7").is_err());
/// # Ok::<(), scdd::Error>(())
/// ```
pub fn device(name: &str) -> crate::Result<Device> {
    let (kind, index) = name.split_once(':').unwrap_or((name, "0"));
    let fail =
        |reason: String, hint| Err(DeviceError { asked: name.to_owned(), reason, available: present(), hint }.into());
    let Ok(number) = index.parse::<usize>() else {
        return fail(format!("'{index}' is not a device number"), "Write it as 'cuda:0'.");
    };
    match kind {
        "cpu" | "flex" if number == 0 => Ok(Device::flex()),
        "cpu" | "flex" => fail(format!("there is one CPU device, not number {number}"), "Use 'cpu'."),
        "cuda" | "wgpu" if !COMPILED.contains(&kind) => fail(
            format!("the feature '{kind}' was not compiled in"),
            "Build with `--features cuda` or `--features wgpu`, or use 'cpu'.",
        ),
        "cuda" | "wgpu" => match gpus(kind).into_iter().nth(number) {
            Some(device) => Ok(device),
            None => {
                fail(format!("this machine has {} {kind} devices", gpus(kind).len()), "Use one of those, or 'cpu'.")
            }
        },
        _ => fail("no such kind of device".to_owned(), "Known kinds are cpu, cuda and wgpu."),
    }
}

/// The device that everything uses unless told otherwise: the one that the environment variable `BURN_DEVICE` names,
/// else the CPU.
///
/// # Errors
/// When `BURN_DEVICE` names a device that is not available; see [`device`].
pub fn default_device() -> crate::Result<Device> {
    device(std::env::var("BURN_DEVICE").as_deref().unwrap_or("cpu"))
}

/// The requested device, else [`default_device`].
pub(crate) fn or_default(asked: Option<&Device>) -> crate::Result<Device> {
    asked.map_or_else(default_device, |device| Ok(device.clone()))
}

/// The available devices of this machine, by name.
pub fn present() -> Vec<String> {
    let mut names = vec!["cpu".to_owned()];
    for kind in &COMPILED[1..] {
        names.extend((0..gpus(kind).len()).map(|number| format!("{kind}:{number}")));
    }
    names
}

/// GPUs of one kind; none where the driver is missing, which makes the backend panic.
#[allow(unused_variables)]
fn gpus(kind: &str) -> Vec<Device> {
    #[cfg(feature = "cuda")]
    if kind == "cuda" {
        return std::panic::catch_unwind(|| Device::enumerate(burn::tensor::DeviceType::Cuda).into_vec())
            .unwrap_or_default();
    }
    #[cfg(feature = "wgpu")]
    if kind == "wgpu" {
        return std::panic::catch_unwind(|| Device::enumerate(burn::tensor::DeviceType::Wgpu).into_vec())
            .unwrap_or_default();
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_device_that_is_not_compiled_in_is_an_error_that_lists_those_that_are() {
        if cfg!(feature = "cuda") {
            return;
        }
        let message = super::device("cuda:0").unwrap_err().to_string();
        assert!(message.contains("not compiled in") && message.contains("cpu"), "{message}");
    }

    #[test]
    fn a_mistyped_device_is_an_error() {
        for name in ["gpu", "cpu:1", "cpu:x", ""] {
            assert!(super::device(name).is_err(), "{name}");
        }
    }
}

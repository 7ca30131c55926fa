//! Colours of classes: six of Okabe and Ito's, then colours chosen one by one to lie farthest from all before
//! them in OKLab, as seen with normal vision, protanopia and deuteranopia (our choice, after Glasbey et al. 2007).

const CLASSES: [&str; 60] = [
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#5A3C00", "#0000FF", "#690F78", "#00E1A5",
    "#8778FF", "#A52D5A", "#3C3CB4", "#964B00", "#E10FD2", "#87B478", "#785A87", "#A5D269", "#FF78D2", "#781E4B",
    "#3C5AFF", "#A5C3FF", "#D22D4B", "#C32DA5", "#F04B69", "#693C78", "#F0783C", "#5A78D2", "#B4A5A5", "#4B1E96",
    "#96002D", "#87D2D2", "#1E00D2", "#7896FF", "#78E100", "#0F875A", "#1E6969", "#966987", "#00A5B4", "#872D96",
    "#4B692D", "#782DD2", "#F0965A", "#4BB4C3", "#78A587", "#C378D2", "#0FA53C", "#3C0FB4", "#3C4B2D", "#4B3C5A",
    "#698700", "#A5C387", "#4BD2B4", "#B42D78", "#FF3C3C", "#D296FF", "#4B69E1", "#9678B4", "#004BF0", "#5AC35A",
];

/// The colour of class `class`, as "#RRGGBB": the same in every figure; from 60 on they repeat.
///
/// ```
/// assert_eq!(scdd::visualize::class_color(0), "#0072B2");
/// ```
pub fn class_color(class: usize) -> &'static str {
    CLASSES[class % CLASSES.len()]
}

/// Viridis at sixteen points: even steps look even, in grey print and to colour-blind readers too.
const VIRIDIS: [u32; 16] = [
    0x440154, 0x481a6c, 0x472f7d, 0x414487, 0x39568c, 0x31688e, 0x2a788e, 0x23888e, 0x1f988b, 0x22a884, 0x35b779,
    0x54c568, 0x7ad151, 0xa5db36, 0xd2e21b, 0xfde725,
];

/// Viridis at a fraction of its range, 0 to 1.
pub(super) fn viridis(fraction: f64) -> [u8; 3] {
    let position = fraction.clamp(0.0, 1.0) * 15.0;
    let low = (position as usize).min(14);
    let part = position - low as f64;
    std::array::from_fn(|channel| {
        let of = |color: u32| f64::from((color >> (16 - 8 * channel)) & 0xff);
        (of(VIRIDIS[low]) * (1.0 - part) + of(VIRIDIS[low + 1]) * part).round() as u8
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn sixty_classes_have_sixty_colours() {
        let distinct: std::collections::BTreeSet<_> = (0..60).map(super::class_color).collect();
        assert_eq!(distinct.len(), 60);
    }

    #[test]
    fn viridis_runs_from_purple_to_yellow() {
        assert_eq!(super::viridis(-1.0), [0x44, 0x01, 0x54]);
        assert_eq!(super::viridis(1.0), [0xfd, 0xe7, 0x25]);
    }
}

use std::sync::LazyLock;

use rand::RngExt;

use super::super::LabelledCells;
use super::*;

/// Four well separated groups in eight dimensions.
fn groups(cells: usize) -> (Array2<f32>, Vec<u32>) {
    let mut stream = crate::seed::stream(3, "test groups");
    let labels: Vec<u32> = (0..cells).map(|cell| (cell % 4) as u32).collect();
    let points = Array2::from_shape_fn((cells, 8), |(cell, axis)| {
        let centre = if axis % 4 == cell % 4 { 6.0 } else { 0.0 };
        centre + stream.random::<f32>()
    });
    (points, labels)
}

/// Both kinds of cells in the four groups.
fn both<'a>(real: (&'a Array2<f32>, &'a [u32]), synthetic: (&'a Array2<f32>, &'a [u32])) -> RealAndSynthetic<'a> {
    static NAMES: LazyLock<[String; 4]> = LazyLock::new(|| ["a", "b", "c", "d"].map(str::to_owned));
    let [real, synthetic] = [real, synthetic].map(|(cells, labels)| LabelledCells { cells, labels });
    RealAndSynthetic { real, synthetic, classes: &*NAMES }
}

#[test]
fn the_same_seed_gives_the_same_figure_and_another_seed_another() {
    let (real, labels) = groups(300);
    let (synthetic, of_synthetic) = groups(8);
    let cells = both((&real, &labels), (&synthetic, &of_synthetic));
    let draw = |seed| umap_figure(&cells, seed).unwrap().to_json();
    assert_eq!(draw(7), draw(7));
    assert_ne!(draw(7), draw(8));
}

#[test]
fn every_cell_is_drawn_once_in_the_trace_of_its_class() {
    let (real, labels) = groups(300);
    let (synthetic, _) = groups(3);
    let figure = umap_figure(&both((&real, &labels), (&synthetic, &[1, 1, 2])), 7).unwrap();
    let plot: Value = serde_json::from_str(&figure.to_json()).unwrap();
    let traces = plot["data"].as_array().unwrap();
    let drawn = |symbol: &str| -> Vec<(&str, usize)> {
        let of = traces.iter().filter(|trace| trace["marker"]["symbol"] == symbol && !trace["x"][0].is_null());
        let points = |trace: &Value| {
            let [x, y] = ["x", "y"].map(|axis| trace[axis].as_array().unwrap());
            assert!(x.len() == y.len() && x.iter().chain(y).all(Value::is_number));
            x.len()
        };
        of.map(|trace| (trace["name"].as_str().unwrap(), points(trace))).collect()
    };
    assert_eq!(drawn("circle"), [("a", 75), ("b", 75), ("c", 75), ("d", 75)]);
    assert_eq!(drawn("star"), [("b", 2), ("c", 1)]);
    // Two keys of kinds, four of classes; the still picture has the stars and one for the key.
    assert_eq!(traces.len(), 2 + 4 + 4 + 2);
    assert_eq!(figure.to_svg().matches("<polygon").count(), 3 + 1);
    assert_eq!(figure.to_svg().matches("h0").count(), 300 + 5);
}

#[test]
fn cells_of_one_group_lie_together() {
    let (points, labels) = groups(400);
    let coordinates = umap_embedding(&points, 7).unwrap();
    // The nearest neighbour in the plane is of the same group.
    let (indices, _) = nearest_itself_first(&coordinates, 2);
    let same = (0..400).filter(|&cell| labels[cell] == labels[indices[[cell, 1]] as usize]).count();
    assert!(same >= 398, "{same} of 400");
    assert!(coordinates.iter().all(|x| x.is_finite()));
}

#[test]
fn three_equal_cells_are_drawn_and_two_are_an_error() {
    let equal = Array2::from_elem((3, 5), 1.0);
    assert!(umap_embedding(&equal, 7).unwrap().iter().all(|x| x.is_finite()));
    let error = umap_embedding(&Array2::zeros((2, 5)), 7).unwrap_err().to_string();
    assert!(error.contains("2 cells of 5 coordinates") && error.contains("3 cells"), "{error}");
}

#[test]
fn input_that_does_not_fit_is_an_error_with_its_numbers() {
    let (real, labels) = groups(40);
    let (synthetic, of_synthetic) = groups(4);
    let say = |labels: &[u32], synthetic: &Array2<f32>| {
        umap_figure(&both((&real, labels), (synthetic, &of_synthetic)), 7).unwrap_err().to_string()
    };
    assert!(say(&labels[..39], &synthetic).contains("found 39, expected 40"));
    assert!(say(&[4; 40], &synthetic).contains("label 4 of real cell 0 is no class: there are 4"));
    assert!(say(&labels, &Array2::zeros((4, 7))).contains("found 7, expected 8"));
    let mut broken = synthetic.clone();
    broken[[2, 1]] = f32::NAN;
    assert!(say(&labels, &broken).contains("row 2, column 1"));
}

#[test]
fn thinning_keeps_every_class() {
    let mut labels = vec![0u32; 90_000];
    labels.extend([1; 30_000]);
    labels.extend([2; 60]);
    labels.extend([3; 5]);
    let kept = thinned(&labels, 4, 50_000, 7);
    let of = |class| kept.iter().filter(|&&cell| labels[cell] == class).count();
    assert!((49_990..=50_000).contains(&kept.len()), "{}", kept.len());
    assert!(of(0) > 2 * of(1) && of(1) > 10_000);
    assert!(of(2) >= 50 && of(3) == 5, "{} {}", of(2), of(3));
    assert_eq!(kept, thinned(&labels, 4, 50_000, 7));
}

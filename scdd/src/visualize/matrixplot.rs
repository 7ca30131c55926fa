//! Matrixplot of correlations between the mean profiles of classes, real and synthetic cells side by side (Yu et al. 2025,
//! Fig. 7).

use ndarray::{Array2, ArrayView1};
use plotly::common::{Anchor, ColorBar, ColorScale, ColorScalePalette, Font, Side, ThicknessMode};
use plotly::layout::{Axis, AxisType, ColorAxis};
use serde_json::json;

use super::VisualizeError;
use super::figure::{Figure, significant};
use super::still::{Panel, Still, Text};
use super::style::{TOP, base, panel_title, small};
use crate::cells::Expression;
use crate::evaluate::pearson;
use crate::notebook::escape;
use crate::text::count;

/// Mean expression of each class `[classes, genes]`; the row of a class without cells is NaN.
///
/// # Errors
/// When there is not one label per cell, or a label names no class.
///
/// ```
/// use scdd::cells::Expression;
/// let expression = Expression::from_dense(2, &[1.0, 0.0, 3.0, 2.0, 0.0, 5.0])?;
/// let profiles = scdd::visualize::class_profiles(&expression, &[0, 0, 1], 2)?;
/// assert_eq!(profiles, ndarray::array![[2.0, 1.0], [0.0, 5.0]]);
/// # Ok::<(), scdd::Error>(())
/// ```
pub fn class_profiles(
    expression: &Expression,
    labels: &[u32],
    n_classes: usize,
) -> Result<Array2<f32>, VisualizeError> {
    if labels.len() != expression.cells() {
        return Err(VisualizeError::Length {
            what: "labels of cells".to_owned(),
            found: labels.len(),
            expected: expression.cells(),
        });
    }
    let mut sums = Array2::<f64>::zeros((n_classes, expression.genes()));
    let mut cells = vec![0usize; n_classes];
    for (cell, &label) in labels.iter().enumerate() {
        let class = label as usize;
        if class >= n_classes {
            return Err(VisualizeError::Label { kind: "given", cell, label, classes: n_classes });
        }
        cells[class] += 1;
        let (genes, values) = expression.row(cell);
        for (&gene, &value) in genes.iter().zip(values) {
            sums[[class, gene as usize]] += f64::from(value);
        }
    }
    Ok(Array2::from_shape_fn(sums.dim(), |(class, gene)| (sums[[class, gene]] / cells[class] as f64) as f32))
}

/// Pearson correlation of every two rows of `profiles` `[classes, genes]`, as `[classes, classes]`; NaN where a
/// profile is constant, not finite, or of fewer than 3 genes.
///
/// ```
/// let r = scdd::visualize::class_correlations(&ndarray::array![[1.0, 2.0, 3.0], [6.0, 4.0, 2.0]]);
/// assert!((r[[0, 1]] + 1.0).abs() < 1e-6);
/// ```
pub fn class_correlations(profiles: &Array2<f32>) -> Array2<f32> {
    let rows: Vec<Vec<f64>> =
        profiles.rows().into_iter().map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect();
    Array2::from_shape_fn((rows.len(), rows.len()), |(a, b)| {
        pearson(&rows[a], &rows[b]).map_or(f32::NAN, |r| r.clamp(-1.0, 1.0) as f32)
    })
}

/// Draws class-by-class Pearson correlation of mean profiles, real beside synthetic, in one order and one scale.
///
/// Both are mean profiles `[classes, genes]` as [`class_profiles`] makes them. The order is that of average-linkage
/// clustering of the real classes. Classes that lack cells on either side are left out, and the subtitle says how
/// many. The subtitle gives the Pearson correlation between the two matrices' entries above the diagonal: 1 when
/// the synthetic cells keep every relation between classes.
///
/// # Errors
/// When the two differ in shape or from the number of class names, or when fewer than 2 classes are in both.
///
/// ```
/// use ndarray::array;
/// let real = array![[1.0, 2.0, 3.0], [1.1, 2.2, 2.9], [3.0, 1.0, 0.0]];
/// let synthetic = array![[1.0, 2.1, 3.0], [1.0, 2.2, 3.0], [2.9, 1.0, 0.1]];
/// let classes = ["naive".to_string(), "memory".to_string(), "B".to_string()];
/// let figure = scdd::visualize::correlation_figure(&real, &synthetic, &classes)?;
/// assert!(figure.summary().starts_with("Correlation of 3 classes, real beside synthetic; the two agree with r = "));
/// # Ok::<(), scdd::visualize::VisualizeError>(())
/// ```
pub fn correlation_figure(
    real: &Array2<f32>,
    synthetic: &Array2<f32>,
    classes: &[String],
) -> Result<Figure, VisualizeError> {
    for (what, found, expected) in [
        ("real profiles (one row per class)", real.nrows(), classes.len()),
        ("synthetic profiles (one row per class)", synthetic.nrows(), classes.len()),
        ("genes of synthetic profiles", synthetic.ncols(), real.ncols()),
    ] {
        if found != expected {
            return Err(VisualizeError::Length { what: what.to_owned(), found, expected });
        }
    }
    let finite = |row: ArrayView1<'_, f32>| !row.is_empty() && row.iter().all(|x| x.is_finite());
    let both: Vec<usize> =
        (0..classes.len()).filter(|&class| finite(real.row(class)) && finite(synthetic.row(class))).collect();
    if both.len() < 2 {
        return Err(VisualizeError::Empty {
            what: "the set of classes with real and synthetic cells",
            found: format!("{} of {}", both.len(), count(classes.len(), "class")),
            least: "2 classes",
        });
    }
    let of_real = class_correlations(&real.select(ndarray::Axis(0), &both));
    let of_synthetic = class_correlations(&synthetic.select(ndarray::Axis(0), &both));
    let order = linkage_order(&of_real);
    let reorder = |r: &Array2<f32>| Array2::from_shape_fn(r.dim(), |(a, b)| r[[order[a], order[b]]]);
    let matrices = [reorder(&of_real), reorder(&of_synthetic)];
    let names: Vec<&str> = order.iter().map(|&row| classes[both[row]].as_str()).collect();
    let agreement = agreement(&matrices[0], &matrices[1]);
    Ok(draw(&matrices, &names, agreement, classes.len() - both.len()))
}

/// Pearson correlation of the entries above the diagonals.
fn agreement(a: &Array2<f32>, b: &Array2<f32>) -> Option<f64> {
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for ((row, column), &value) in a.indexed_iter() {
        if row < column && value.is_finite() && b[[row, column]].is_finite() {
            x.push(f64::from(value));
            y.push(f64::from(b[[row, column]]));
        }
    }
    // Two points always lie on a line.
    pearson(&x, &y)
}

/// Order of the leaves of average-linkage clustering with distance 1 - r; two clusters are joined at the ends
/// that are most alike.
fn linkage_order(r: &Array2<f32>) -> Vec<usize> {
    let distance = |a: usize, b: usize| if r[[a, b]].is_finite() { 1.0 - f64::from(r[[a, b]]) } else { 2.0 };
    let mut clusters: Vec<Vec<usize>> = (0..r.nrows()).map(|class| vec![class]).collect();
    while clusters.len() > 1 {
        let mut nearest = (f64::INFINITY, 0, 1);
        for i in 0..clusters.len() {
            for j in i + 1..clusters.len() {
                let pairs = clusters[i].iter().flat_map(|&a| clusters[j].iter().map(move |&b| (a, b)));
                let sum: f64 = pairs.map(|(a, b)| distance(a, b)).sum();
                let average = sum / (clusters[i].len() * clusters[j].len()) as f64;
                if average < nearest.0 {
                    nearest = (average, i, j);
                }
            }
        }
        let second = clusters.remove(nearest.2);
        let first = std::mem::take(&mut clusters[nearest.1]);
        clusters[nearest.1] = join(first, second, &distance);
    }
    clusters.pop().unwrap_or_default()
}

fn join(first: Vec<usize>, second: Vec<usize>, distance: &impl Fn(usize, usize) -> f64) -> Vec<usize> {
    let turned = |order: &[usize]| order.iter().rev().copied().collect::<Vec<_>>();
    let (first_turned, second_turned) = (turned(&first), turned(&second));
    let mut best = (f64::INFINITY, Vec::new());
    for left in [&first, &first_turned] {
        for right in [&second, &second_turned] {
            let seam = distance(left[left.len() - 1], right[0]);
            if seam < best.0 {
                best = (seam, [left.as_slice(), right.as_slice()].concat());
            }
        }
    }
    best.1
}

fn draw(matrices: &[Array2<f32>; 2], names: &[&str], agreement: Option<f64>, left_out: usize) -> Figure {
    let n = names.len();
    let values = matrices.iter().flat_map(|r| r.iter()).filter(|r| r.is_finite());
    let least = f64::from(values.copied().fold(1.0f32, f32::min));
    // To the tenth below, so that the colours have round ends.
    let low = ((least * 10.0 - 1e-6).floor() / 10.0).clamp(-1.0, 0.9);
    let scale = format!("Pearson r, {low} to 1");
    let agree = agreement.map_or("not defined".to_owned(), |r| format!("{r:.3}"));
    let mut subtitle = format!("Pearson correlation of mean profiles; the two matrices agree with r = {agree}");
    if left_out > 0 {
        subtitle.push_str(&format!("; {} without cells on one side left out", count(left_out, "class")));
    }
    let title = "How the classes resemble each other";
    let summary =
        format!("Correlation of {}, real beside synthetic; the two agree with r = {agree}", count(n, "class"));

    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let room = (longest * 7 + 20).clamp(50, 240);
    let side = (n as f64 * if n > 30 { 13.0 } else { 22.0 }).max(220.0);
    let above = TOP as f64 + 26.0;
    let needed = (subtitle.chars().count() as f64 * 6.6) as usize + 32;
    let size = ((room as f64 + 2.0 * side + 28.0 + 110.0) as usize, (above + side) as usize + room);
    let size = (size.0.max(needed), size.1);
    let wide = (size.0 - room - 110) as f64;
    let high = (size.1 - TOP - room) as f64;
    let lefts = [0.0, side + 28.0];

    let traces = matrices.iter().enumerate().map(|(panel, r)| {
        let suffix = if panel == 0 { "" } else { "2" };
        let rows: Vec<Vec<Option<f64>>> = r
            .rows()
            .into_iter()
            .map(|row| row.iter().map(|&x| x.is_finite().then(|| significant(f64::from(x)))).collect())
            .collect();
        let names: Vec<String> = names.iter().map(|name| escape(name)).collect();
        json!({
            "type": "heatmap", "x": names, "y": names, "z": rows, "coloraxis": "coloraxis",
            "xaxis": format!("x{suffix}"), "yaxis": format!("y{suffix}"), "xgap": 1, "ygap": 1,
            "hovertemplate": "%{y} and %{x}<br>r = %{z:.3f}<extra></extra>",
        })
    });
    let ticks: Vec<f64> = (0..n).map(|i| i as f64).collect();
    let axis = || {
        Axis::new()
            .show_grid(false)
            .zero_line(false)
            .type_(AxisType::Category)
            .tick_length(0)
            .tick_values(ticks.clone())
            .tick_text(names.iter().map(|name| escape(name)).collect())
            .tick_font(Font::new().size(if n > 30 { 10 } else { 12 }))
    };
    let domain = |panel: usize| [lefts[panel] / wide, ((lefts[panel] + side) / wide).min(1.0)];
    let edge = n as f64 - 0.5;
    let x = |panel: usize| axis().domain(&domain(panel)).range(vec![-0.5, edge]).tick_angle(-90.0);
    let y = |panel: usize| {
        axis().domain(&[0.0, side / high]).auto_range(false).range(vec![edge, -0.5]).show_tick_labels(panel == 0)
    };
    let titles = ["Real cells", "Synthetic cells"];
    let layout = base(title, &subtitle, size, [room, 110, room])
        .annotations((0..2).map(|panel| panel_title(titles[panel], domain(panel)[0], side / high)).collect())
        .x_axis(x(0).anchor("y"))
        .x_axis2(x(1).anchor("y2"))
        .y_axis(y(0).anchor("x"))
        .y_axis2(y(1).anchor("x2"))
        .color_axis(
            ColorAxis::new()
                .cmin(low)
                .cmax(1.0)
                .color_scale(ColorScale::Palette(ColorScalePalette::Viridis))
                .color_bar(
                    ColorBar::new()
                        .title(small(&scale).side(Side::Right))
                        .len_mode(ThicknessMode::Pixels)
                        .len(260)
                        .y(1.0)
                        .y_anchor(Anchor::Top)
                        .thickness(14)
                        .x((lefts[1] + side + 16.0) / wide),
                ),
        );

    let mut still = Still::new(title, &subtitle, size);
    for (panel, r) in matrices.iter().enumerate() {
        let left = room as f64 + lefts[panel];
        let area = Panel { left, top: above, width: side, height: side, x: (0.0, 1.0), y: (0.0, 1.0) };
        let values: Vec<f64> = r.iter().map(|&x| (f64::from(x) - low) / (1.0 - low)).collect();
        still.grid(&area, n, &values);
        still.text(Text::new(titles[panel], left, above - 6.0).size(14));
        for (i, name) in names.iter().enumerate() {
            let middle = (i as f64 + 0.5) * side / n as f64 + 4.0;
            if panel == 0 {
                still.text(Text::new(name, left - 6.0, above + middle).end().size(11));
            }
            still.text(Text::new(name, left + middle, above + side + 8.0).end().size(11).upwards());
        }
    }
    still.scale(room as f64 + lefts[1] + side + 16.0, above, side.min(300.0), (low, 1.0), &scale);
    Figure::new(traces.collect(), layout, summary, still)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("class {i}")).collect()
    }

    #[test]
    fn alike_classes_stand_together_in_both_panels() {
        let real = array![[9.0, 1.0, 0.0, 0.1], [0.0, 0.2, 8.0, 2.0], [9.1, 1.2, 0.1, 0.0], [0.1, 0.0, 8.2, 1.9]];
        let order = linkage_order(&class_correlations(&real));
        let place = |class| order.iter().position(|&c| c == class).unwrap();
        assert_eq!(place(0).abs_diff(place(2)), 1);
        assert_eq!(place(1).abs_diff(place(3)), 1);

        let plot: serde_json::Value =
            serde_json::from_str(&correlation_figure(&real, &real, &names(4)).unwrap().to_json()).unwrap();
        assert_eq!(plot["data"][0]["z"], plot["data"][1]["z"]);
        assert_eq!(plot["layout"]["xaxis"]["ticktext"], plot["layout"]["xaxis2"]["ticktext"]);
    }

    #[test]
    fn agreement_is_one_for_equal_and_lower_for_shuffled_classes() {
        let real = array![[9.0, 1.0, 0.0, 0.1], [0.0, 0.2, 8.0, 2.0], [9.1, 1.2, 0.1, 0.0], [0.1, 3.0, 8.2, 1.9]];
        let r = class_correlations(&real);
        assert!((agreement(&r, &r).unwrap() - 1.0).abs() < 1e-12);
        let other = class_correlations(&real.select(ndarray::Axis(0), &[0, 2, 1, 3]));
        assert!(agreement(&r, &other).unwrap() < 0.5);
        assert_eq!(agreement(&r.slice(ndarray::s![..2, ..2]).to_owned(), &r), None);
    }

    #[test]
    fn classes_without_cells_are_left_out_and_said() {
        let real = array![[1.0, 2.0, 4.0], [f32::NAN, f32::NAN, f32::NAN], [3.0, 1.0, 0.0], [3.0, 1.5, 1.0]];
        let figure = correlation_figure(&real, &real, &names(4)).unwrap();
        assert!(figure.summary().contains("3 classes"));
        assert!(figure.to_json().contains("1 class without cells on one side left out"));
        let few = correlation_figure(&real.slice(ndarray::s![..2, ..]).to_owned(), &Array2::zeros((2, 3)), &names(2));
        assert!(few.unwrap_err().to_string().contains("1 of 2 classes"));
    }
}

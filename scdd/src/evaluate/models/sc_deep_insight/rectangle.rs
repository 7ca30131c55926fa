//! Minimum-area bounding rectangle of points, rotated to the axes (DeepInsight, Sharma et al. 2019), so that less of the map
//! stays empty.

/// Places turned so that their rectangle stands upright, each coordinate scaled to 0..1.
pub(super) fn upright(positions: &[[f32; 2]]) -> Vec<[f32; 2]> {
    let hull = hull(positions);
    let edges = (0..hull.len()).map(|i| (hull[i], hull[(i + 1) % hull.len()]));
    let directions = edges.filter_map(|(from, to)| {
        let (x, y) = (to[0] - from[0], to[1] - from[1]);
        let norm = x.hypot(y);
        (norm > 0.0).then(|| [x / norm, y / norm])
    });
    // A side of the least rectangle lies on an edge of the hull (Freeman and Shapira 1975).
    let mut best: Option<(f64, [f64; 2])> = None;
    for direction in directions {
        let (low, high) = bounds(hull.iter().map(|point| turned(*point, direction)));
        let area = (high[0] - low[0]) * (high[1] - low[1]);
        if best.is_none_or(|(least, _)| area < least) {
            best = Some((area, direction));
        }
    }
    let direction = best.map_or([1.0, 0.0], |(_, direction)| direction);
    let all: Vec<[f64; 2]> =
        positions.iter().map(|position| turned([f64::from(position[0]), f64::from(position[1])], direction)).collect();
    let (low, high) = bounds(all.iter().copied());
    let scaled = |position: &[f64; 2], axis: usize| {
        let side = high[axis] - low[axis];
        if side > 0.0 { ((position[axis] - low[axis]) / side) as f32 } else { 0.5 }
    };
    all.iter().map(|position| [scaled(position, 0), scaled(position, 1)]).collect()
}

fn turned(point: [f64; 2], direction: [f64; 2]) -> [f64; 2] {
    [point[0] * direction[0] + point[1] * direction[1], point[1] * direction[0] - point[0] * direction[1]]
}

fn bounds(points: impl Iterator<Item = [f64; 2]>) -> ([f64; 2], [f64; 2]) {
    points.fold(([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]), |(low, high), point| {
        (
            std::array::from_fn(|axis| low[axis].min(point[axis])),
            std::array::from_fn(|axis| high[axis].max(point[axis])),
        )
    })
}

/// The convex hull, counter-clockwise (Andrew's monotone chain).
fn hull(positions: &[[f32; 2]]) -> Vec<[f64; 2]> {
    let mut points: Vec<[f64; 2]> =
        positions.iter().map(|position| [f64::from(position[0]), f64::from(position[1])]).collect();
    points.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    points.dedup();
    let left_turn =
        |a: [f64; 2], b: [f64; 2], c: [f64; 2]| (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]) > 0.0;
    let chain = |points: &mut dyn Iterator<Item = &[f64; 2]>| {
        let mut chain: Vec<[f64; 2]> = Vec::new();
        for &point in points {
            while chain.len() > 1 && !left_turn(chain[chain.len() - 2], chain[chain.len() - 1], point) {
                chain.pop();
            }
            chain.push(point);
        }
        chain.pop();
        chain
    };
    let mut lower = chain(&mut points.iter());
    lower.extend(chain(&mut points.iter().rev()));
    lower
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaning_rectangle_is_turned_upright_and_fills_the_map() {
        let (sin, cos) = 0.6f32.sin_cos();
        let position = |x: f32, y: f32| [cos * x - sin * y + 5.0, sin * x + cos * y - 2.0];
        let positions: Vec<[f32; 2]> =
            (0..=20).flat_map(|i| (0..=10).map(move |j| position(i as f32 / 5.0, j as f32 / 10.0))).collect();
        let found = upright(&positions);
        // Of the four sides any may be down, so the corners are corners, in whatever order.
        for corner in [0, 10, 220, 230] {
            assert!(found[corner].iter().all(|value| *value < 1e-4 || *value > 1.0 - 1e-4), "{:?}", found[corner]);
        }
        assert!((found[115][0] - 0.5).abs() < 1e-4 && (found[115][1] - 0.5).abs() < 1e-4);
    }

    #[test]
    fn points_on_a_line_or_in_one_place_are_no_trouble() {
        let line = upright(&[[0.0, 0.0], [1.0, 1.0], [3.0, 3.0]]);
        assert!((line[1][0] - 1.0 / 3.0).abs() < 1e-5 || (line[1][0] - 2.0 / 3.0).abs() < 1e-5, "{line:?}");
        assert_eq!(upright(&[[2.0, 2.0]; 3]), [[0.5, 0.5]; 3]);
        assert!(upright(&[]).is_empty());
    }
}

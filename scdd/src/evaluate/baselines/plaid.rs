//! Plaid covering of points by equal boxes (Hie et al. 2019), as the package geosketch 1.3 computes it.
//!
//! Each dimension is cut by itself: from the lowest point on, an interval holds all points up to one box length above its
//! first. A box is one interval of every dimension. The length is found by bisection, until the boxes with points are a
//! wanted number, up to a tenth more or fewer.

use std::collections::HashMap;

use ndarray::Array2;

/// How far from the wanted number of boxes is near enough (geosketch's default).
const TOLERANCE: f64 = 0.1;
/// Steps of the bisection at most (geosketch's default); the number of boxes need not fall as boxes grow.
const STEPS: usize = 200;

/// The points of each box that has any, boxes in the order of their first points. Small numbers of boxes may not exist, then
/// there are a few more or fewer.
pub(super) fn plaid(points: &Array2<f32>, wanted: usize) -> Vec<Vec<usize>> {
    let axes = Axes::new(points);
    let (mut low, mut high) = (0.0, axes.longest());
    if high == 0.0 || wanted <= 1 {
        return vec![(0..points.nrows()).collect()];
    }
    let mut length = high / 4.0;
    let (least, most) = (wanted as f64 * (1.0 - TOLERANCE), wanted as f64 * (1.0 + TOLERANCE));
    let mut boxes = axes.boxes(length);
    for _ in 0..STEPS {
        let found = boxes.len() as f64;
        let next = if found > most {
            low = length;
            (length + high) / 2.0
        } else if found < least {
            high = length;
            (length + low) / 2.0
        } else {
            break;
        };
        // Nothing lies between two neighbouring numbers.
        if next == length {
            break;
        }
        length = next;
        boxes = axes.boxes(length);
    }
    boxes
}

/// Points from 0 on, the largest coordinate 1, with the order of points along each dimension.
struct Axes {
    count: usize,
    coordinates: Vec<Vec<f64>>,
    orders: Vec<Vec<usize>>,
}

impl Axes {
    fn new(points: &Array2<f32>) -> Self {
        let from_lowest = |axis: ndarray::ArrayView1<f32>| {
            let lowest = axis.iter().copied().fold(f32::INFINITY, f32::min);
            axis.iter().map(|&value| f64::from(value) - f64::from(lowest)).collect::<Vec<f64>>()
        };
        let mut coordinates: Vec<Vec<f64>> = points.columns().into_iter().map(from_lowest).collect();
        let largest = coordinates.iter().flatten().copied().fold(0.0, f64::max);
        if largest > 0.0 {
            coordinates.iter_mut().flatten().for_each(|value| *value /= largest);
        }
        let order = |axis: &Vec<f64>| {
            let mut order: Vec<usize> = (0..axis.len()).collect();
            order.sort_by(|&a, &b| axis[a].total_cmp(&axis[b]));
            order
        };
        Self { count: points.nrows(), orders: coordinates.iter().map(order).collect(), coordinates }
    }

    /// The extent of the dimension that has the largest.
    fn longest(&self) -> f64 {
        self.coordinates.iter().flatten().copied().fold(0.0, f64::max)
    }

    fn boxes(&self, length: f64) -> Vec<Vec<usize>> {
        let mut intervals = vec![Vec::<u32>::new(); self.count];
        for (axis, order) in self.coordinates.iter().zip(&self.orders) {
            if order.last().is_none_or(|&last| axis[last] <= length) {
                continue;
            }
            let (mut start, mut interval) = (0.0, 0);
            for &point in order {
                if start + length < axis[point] {
                    start = axis[point];
                    interval += 1;
                }
                intervals[point].push(interval);
            }
        }
        let (mut numbers, mut boxes) = (HashMap::new(), Vec::<Vec<usize>>::new());
        for (point, intervals) in intervals.into_iter().enumerate() {
            let number = *numbers.entry(intervals).or_insert_with(|| {
                boxes.push(Vec::new());
                boxes.len() - 1
            });
            boxes[number].push(point);
        }
        boxes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn intervals_start_at_a_point_and_are_one_box_long() {
        let axes = Axes::new(&array![[0.0, 0.0], [0.25, 0.0], [0.375, 0.125], [1.0, 0.125]]);
        // 0 and 0.25 share an interval of 0.25, 0.375 opens the next, 1 the last; the second dimension is not cut.
        assert_eq!(axes.boxes(0.25), [vec![0, 1], vec![2], vec![3]]);
        // Of length 0.05 every point has its own, and the second dimension is cut as well.
        assert_eq!(axes.boxes(0.05).len(), 4);
    }

    #[test]
    fn points_that_are_all_equal_are_one_box() {
        assert_eq!(plaid(&Array2::ones((5, 3)), 4), [vec![0, 1, 2, 3, 4]]);
    }

    #[test]
    fn the_number_of_boxes_is_the_wanted_one_up_to_a_tenth_where_there_is_such() {
        use rand::RngExt;
        let mut random = crate::seed::stream(5, "plaid test");
        let points = Array2::from_shape_simple_fn((500, 3), || random.random::<f32>());
        for wanted in [20, 50, 100, 200] {
            let boxes = plaid(&points, wanted);
            assert!((boxes.len() as f64 - wanted as f64).abs() <= 0.1 * wanted as f64, "{} of {wanted}", boxes.len());
            let mut all: Vec<usize> = boxes.into_iter().flatten().collect();
            all.sort_unstable();
            assert_eq!(all, (0..500).collect::<Vec<_>>(), "each point is in one box");
        }
    }
}

//! Metacells as SuperCell makes them (Bilous et al. 2022): agglomerative clustering on the kNN graph
//! down to the budget; a metacell's profile is the mean of its cells' counts.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use ndarray::{Array2, Axis};

use super::{Baseline, Candidates, Selected, candidates::stack};
use crate::Result;
use scdd_learn::kmeans::squared_distance;
use scdd_learn::knn::nearest_itself_first;

/// Neighbours of a cell in the graph (SuperCell's `k.knn`).
const NEIGHBOURS: usize = 5;

/// Merges the cells of each class, within the class, since labels are known: along the graph of five nearest neighbours among
/// latents, always the two metacells whose union adds least to the sum of squared distances (Ward; SuperCell cuts a walktrap
/// tree), until `per_class` are left. Expression is log1p of the mean of counts per 10,000. Nothing is drawn.
///
/// [`KMeansPseudobulks`](super::KMeansPseudobulks) finds round clusters of any cells; these follow the graph.
#[derive(Clone, Copy, Debug, Default)]
pub struct MergedMetacells;

impl Baseline for MergedMetacells {
    fn name(&self) -> String {
        "metacells".into()
    }

    fn select(&self, cells: &Candidates<'_>, per_class: usize, _seed: u64) -> Result<Selected> {
        let latents = cells.latents()?;
        let (mut rows, mut labels) = (Vec::new(), Vec::new());
        for (class, members) in (0..).zip(cells.of_classes(per_class)?) {
            for group in merge(&latents.select(Axis(0), &members), per_class) {
                let of_group: Vec<usize> = group.into_iter().map(|position| members[position]).collect();
                rows.push(mean_counts(cells, &of_group));
                labels.push(class);
            }
        }
        Ok((stack(&rows, cells.expression().genes()), labels))
    }
}

/// log1p of the mean of counts per 10,000.
fn mean_counts(cells: &Candidates<'_>, group: &[usize]) -> Vec<f32> {
    let mut sums = vec![0.0f64; cells.expression().genes()];
    for &cell in group {
        let (genes, values) = cells.expression().row(cell);
        genes.iter().zip(values).for_each(|(&gene, &value)| sums[gene as usize] += f64::from(value).exp_m1());
    }
    sums.into_iter().map(|sum| (sum / group.len().max(1) as f64).ln_1p() as f32).collect()
}

/// A group of points that are one metacell so far.
struct Group {
    members: Vec<usize>,
    mean: Vec<f32>,
    neighbours: BTreeSet<usize>,
}

/// What a union of two groups adds to the sum of squared distances from means.
fn added(a: &Group, b: &Group) -> f64 {
    let (of_a, of_b) = (a.members.len() as f64, b.members.len() as f64);
    let (a, b) = (ndarray::aview1(&a.mean), ndarray::aview1(&b.mean));
    of_a * of_b / (of_a + of_b) * squared_distance(a, b)
}

/// A number that sorts as the non-negative value does.
fn key(value: f64) -> u64 {
    value.max(0.0).to_bits()
}

/// Groups of points, each with the positions of its members, in the order of their first ones.
fn merge(points: &Array2<f32>, wanted: usize) -> Vec<Vec<usize>> {
    let count = points.nrows();
    let mut groups: Vec<Option<Group>> = (0..count)
        .map(|point| {
            let (members, mean) = (vec![point], points.row(point).to_vec());
            Some(Group { members, mean, neighbours: BTreeSet::new() })
        })
        .collect();
    if count > wanted {
        let (indices, _) = nearest_itself_first(points, (NEIGHBOURS + 1).min(count));
        for (point, row) in indices.rows().into_iter().enumerate() {
            for &other in row.iter().skip(1) {
                connect(&mut groups, point, other as usize);
            }
        }
        let mut left = count;
        while left > wanted {
            let before = left;
            left = merge_along(&mut groups, left, wanted);
            if left == before || left > wanted {
                // The graph has parts, none of which has two groups: the nearest two of all are neighbours then.
                match nearest_pair(&groups) {
                    Some((a, b)) => connect(&mut groups, a, b),
                    None => break,
                }
            }
        }
    }
    let mut found: Vec<Vec<usize>> = groups.into_iter().flatten().map(|group| group.members).collect();
    found.iter_mut().for_each(|members| members.sort_unstable());
    found.sort();
    found
}

fn connect(groups: &mut [Option<Group>], a: usize, b: usize) {
    for (of, other) in [(a, b), (b, a)] {
        if let Some(group) = &mut groups[of]
            && of != other
        {
            group.neighbours.insert(other);
        }
    }
}

/// Merges neighbours, the cheapest first, until there are none or so many groups are left; how many are.
fn merge_along(groups: &mut Vec<Option<Group>>, mut left: usize, wanted: usize) -> usize {
    let mut queue: BinaryHeap<Reverse<(u64, usize, usize)>> = BinaryHeap::new();
    for (position, group) in groups.iter().enumerate() {
        let Some(group) = group else { continue };
        for &other in group.neighbours.range(position + 1..) {
            if let Some(other_group) = &groups[other] {
                queue.push(Reverse((key(added(group, other_group)), position, other)));
            }
        }
    }
    while left > wanted {
        let Some(Reverse((_, a, b))) = queue.pop() else { break };
        // A union has a new position, so a group that is still here has not changed.
        let (Some(_), Some(_)) = (&groups[a], &groups[b]) else { continue };
        let (Some(one), Some(other)) = (groups[a].take(), groups[b].take()) else { continue };
        let (of_one, of_other) = (one.members.len() as f32, other.members.len() as f32);
        let mean = one.mean.iter().zip(&other.mean);
        let mean = mean.map(|(a, b)| (a * of_one + b * of_other) / (of_one + of_other)).collect();
        let neighbours: BTreeSet<usize> = one
            .neighbours
            .union(&other.neighbours)
            .copied()
            .filter(|position| *position != a && *position != b)
            .collect();
        let (position, members) = (groups.len(), [one.members, other.members].concat());
        let union = Group { members, mean, neighbours };
        for &neighbour in &union.neighbours {
            if let Some(group) = &mut groups[neighbour] {
                group.neighbours.remove(&a);
                group.neighbours.remove(&b);
                group.neighbours.insert(position);
                queue.push(Reverse((key(added(group, &union)), neighbour, position)));
            }
        }
        groups.push(Some(union));
        left -= 1;
    }
    left
}

fn nearest_pair(groups: &[Option<Group>]) -> Option<(usize, usize)> {
    let there: Vec<(usize, &Group)> = groups.iter().enumerate().filter_map(|(i, g)| Some((i, g.as_ref()?))).collect();
    let pairs = there.iter().enumerate().flat_map(|(i, a)| there[i + 1..].iter().map(move |b| (a, b)));
    pairs.min_by(|x, y| added(x.0.1, x.1.1).total_cmp(&added(y.0.1, y.1.1))).map(|(a, b)| (a.0, b.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::Expression;
    use ndarray::array;

    #[test]
    fn near_points_are_merged_and_parts_of_the_graph_without_an_edge_as_well() {
        // Two pairs and a point alone; with five neighbours all are connected.
        let points = array![[0.0, 0.0], [0.1, 0.0], [5.0, 0.0], [5.0, 0.2], [9.0, 9.0]];
        assert_eq!(merge(&points, 3), [vec![0, 1], vec![2, 3], vec![4]]);
        assert_eq!(merge(&points, 9).len(), 5);
        assert_eq!(merge(&points, 1), [vec![0, 1, 2, 3, 4]]);
        // Two clusters of twenty, farther from each other than five neighbours reach.
        let apart = Array2::from_shape_fn((40, 1), |(point, _)| (point % 20) as f32 + 1_000.0 * (point / 20) as f32);
        let found = merge(&apart, 2);
        assert_eq!(found, [(0..20).collect::<Vec<_>>(), (20..40).collect()]);
        assert_eq!(merge(&apart, 1).len(), 1);
        let found = merge(&apart, 7);
        assert_eq!((found.len(), found.iter().map(Vec::len).sum::<usize>()), (7, 40));
    }

    #[test]
    fn a_metacell_is_the_mean_of_counts() {
        let counts = [3.0f32, 0.0, 1.0, 8.0];
        let logs: Vec<f32> = counts.iter().map(|count| count.ln_1p()).collect();
        let expression = Expression::from_dense(2, &logs).unwrap();
        let found = mean_counts(&Candidates::new(&expression, &[0, 0], 1).unwrap(), &[0, 1]);
        assert!((found[0] - 2f32.ln_1p()).abs() < 1e-6 && (found[1] - 4f32.ln_1p()).abs() < 1e-6);
    }
}

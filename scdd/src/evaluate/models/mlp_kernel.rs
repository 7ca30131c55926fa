//! The inner loops of the perceptron: eight numbers at a time where the processor can (AVX2). Nothing is fused, so the bits are
//! those of the plain loops.

/// Adam's averages of gradients and of their squares (Kingma and Ba 2015).
const BETAS: [f32; 2] = [0.9, 0.999];

/// Compiles a function twice and takes the one for the processor.
macro_rules! wide {
    ($(#[$about:meta])* $visible:vis fn $name:ident($($argument:ident: $kind:ty),*) $body:block) => {
        $(#[$about])*
        $visible fn $name($($argument: $kind),*) {
            #[inline(always)]
            fn plain($($argument: $kind),*) $body
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2($($argument: $kind),*) {
                plain($($argument),*)
            }
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has the feature, as was just asked.
                return unsafe { avx2($($argument),*) };
            }
            plain($($argument),*)
        }
    };
}

wide! {
    /// Adds a row of weights times each value to the row of sums of each cell.
    pub(super) fn add_products(cells: &[u32], values: &[f32], weights: &[f32], sums: &mut [f32]) {
        let width = weights.len();
        for (&cell, &value) in cells.iter().zip(values) {
            let sums = &mut sums[cell as usize * width..][..width];
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum += value * weight;
            }
        }
    }
}

wide! {
    /// The sum of each cell's row times its value.
    pub(super) fn sum_products(cells: &[u32], values: &[f32], rows: &[f32], sums: &mut [f32]) {
        let width = sums.len();
        sums.fill(0.0);
        for (&cell, &value) in cells.iter().zip(values) {
            let row = &rows[cell as usize * width..][..width];
            for (sum, number) in sums.iter_mut().zip(row) {
                *sum += value * number;
            }
        }
    }
}

/// Averages of a step of Adam for some of the weights.
struct Averages<'a> {
    first: &'a mut [f32],
    second: &'a mut [f32],
    rate: f32,
    scale: f32,
}

wide! {
    fn adam_step(averages: Averages<'_>, weights: &mut [f32], gradient: &[f32]) {
        let Averages { first, second, rate, scale } = averages;
        let averages = first.iter_mut().zip(second.iter_mut());
        for ((weight, &gradient), (first, second)) in weights.iter_mut().zip(gradient).zip(averages) {
            *first += (1.0 - BETAS[0]) * (gradient - *first);
            *second += (1.0 - BETAS[1]) * (gradient * gradient - *second);
            *weight -= rate * *first / ((*second * scale).sqrt() + 1e-8);
        }
    }
}

/// Adam over weights that come in pieces.
pub(super) struct Adam {
    first: Vec<f32>,
    second: Vec<f32>,
    learning_rate: f64,
    step: i32,
    rate: f32,
    scale: f32,
}

impl Adam {
    pub(super) fn new(weights: usize, learning_rate: f64) -> Self {
        let (first, second) = (vec![0.0; weights], vec![0.0; weights]);
        Self { first, second, learning_rate, step: 0, rate: 0.0, scale: 0.0 }
    }

    /// Both corrections of a new step, in the rate.
    pub(super) fn next_step(&mut self) {
        self.step += 1;
        let corrected = |beta: f32| 1.0 - f64::from(beta).powi(self.step);
        self.rate = (self.learning_rate / corrected(BETAS[0])) as f32;
        self.scale = (1.0 / corrected(BETAS[1])) as f32;
    }

    /// Moves the weights from `start` on.
    pub(super) fn step(&mut self, weights: &mut [f32], start: usize, gradient: &[f32]) {
        let place = start..start + gradient.len();
        let (first, second) = (&mut self.first[place.clone()], &mut self.second[place]);
        adam_step(Averages { first, second, rate: self.rate, scale: self.scale }, weights, gradient);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wide_loops_are_the_plain_sums() {
        let weights: Vec<f32> = (0..19).map(|i| (i as f32 * 0.37).sin()).collect();
        let mut sums = vec![0.5; 3 * 19];
        add_products(&[2, 0], &[0.3, -1.7], &weights, &mut sums);
        for (place, sum) in sums.iter().enumerate() {
            let value = [-1.7, 0.0, 0.3][place / 19];
            assert_eq!(*sum, 0.5 + value * weights[place % 19]);
        }
        let mut back = vec![9.0; 19];
        sum_products(&[2, 0], &[0.3, -1.7], &sums, &mut back);
        for (place, found) in back.iter().enumerate() {
            assert_eq!(*found, 0.0 + 0.3 * sums[38 + place] + -1.7 * sums[place]);
        }
    }

    #[test]
    fn adam_moves_by_the_rate_at_first_and_a_zero_gradient_moves_nothing() {
        let mut adam = Adam::new(20, 0.01);
        let mut weights = vec![1.0; 10];
        adam.next_step();
        adam.step(&mut weights, 10, &[2.0, -3.0, 0.0, 1e-3, 5.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
        let near = |found: f32, expected: f32| (found - expected).abs() < 1e-5;
        assert!(near(weights[0], 0.99) && near(weights[1], 1.01) && near(weights[3], 0.99));
        assert_eq!((weights[2], weights[9]), (1.0, 1.0));
    }
}

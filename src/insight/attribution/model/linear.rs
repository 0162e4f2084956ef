//! Systems of linear equations, as small as the chains of attribution are.
//!
//! Own elimination, not a linear-algebra crate: what is needed is one dense solver for a few dozen unknowns, thirty
//! lines, where a crate would bring a family of generic matrix types and a longer build.

/// A square matrix or a block of columns, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Matrix {
    columns: usize,
    cells: Vec<f64>,
}

impl Matrix {
    /// All zero.
    pub(super) fn zero(rows: usize, columns: usize) -> Self {
        Self {
            columns,
            cells: vec![0.0; rows * columns],
        }
    }

    /// Ones on the diagonal.
    pub(super) fn identity(size: usize) -> Self {
        let mut matrix = Self::zero(size, size);
        for place in 0..size {
            *matrix.at_mut(place, place) = 1.0;
        }
        matrix
    }

    pub(super) fn at(&self, row: usize, column: usize) -> f64 {
        self.cells[row * self.columns + column]
    }

    pub(super) fn at_mut(&mut self, row: usize, column: usize) -> &mut f64 {
        &mut self.cells[row * self.columns + column]
    }

    pub(super) fn row(&self, row: usize) -> &[f64] {
        &self.cells[row * self.columns..(row + 1) * self.columns]
    }

    fn swap_rows(&mut self, one: usize, other: usize) {
        for column in 0..self.columns {
            self.cells
                .swap(one * self.columns + column, other * self.columns + column);
        }
    }

    /// Takes a multiple of one row from another, from a column on.
    fn take(&mut self, from: usize, row: usize, factor: f64, first_column: usize) {
        let (low, high) = (from.min(row), from.max(row));
        let (head, tail) = self.cells.split_at_mut(high * self.columns);
        let lower = &mut head[low * self.columns..(low + 1) * self.columns];
        let upper = &mut tail[..self.columns];
        let (target, source) = if from < row {
            (lower, upper)
        } else {
            (upper, lower)
        };
        for (cell, other) in target[first_column..].iter_mut().zip(&source[first_column..]) {
            *cell -= factor * other;
        }
    }
}

/// X such that matrix × X = right, by Gaussian elimination with partial pivoting; `None` where the matrix is singular.
///
/// O(n³ + n² × columns of the right side) for n unknowns.
pub(super) fn solve(mut matrix: Matrix, mut right: Matrix) -> Option<Matrix> {
    let size = matrix.columns;
    for place in 0..size {
        let best = (place..size)
            .max_by(|one, other| {
                matrix
                    .at(*one, place)
                    .abs()
                    .total_cmp(&matrix.at(*other, place).abs())
            })
            .expect("the range holds at least the row itself");
        // What elimination leaves of a dependent row of probabilities is rounding: far below this.
        if matrix.at(best, place).abs() < 1e-13 {
            return None;
        }
        if best != place {
            matrix.swap_rows(place, best);
            right.swap_rows(place, best);
        }
        for row in place + 1..size {
            let factor = matrix.at(row, place) / matrix.at(place, place);
            if factor != 0.0 {
                matrix.take(row, place, factor, place);
                right.take(row, place, factor, 0);
            }
        }
    }
    for place in (0..size).rev() {
        for later in place + 1..size {
            let factor = matrix.at(place, later);
            if factor != 0.0 {
                right.take(place, later, factor, 0);
            }
        }
        let pivot = matrix.at(place, place);
        for column in 0..right.columns {
            *right.at_mut(place, column) /= pivot;
        }
    }
    Some(right)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matrix(columns: usize, cells: &[f64]) -> Matrix {
        Matrix {
            columns,
            cells: cells.to_vec(),
        }
    }

    #[test]
    fn by_hand() {
        // y = 2, x + y = 5: needs a swap of rows.
        let solved = solve(matrix(2, &[0.0, 1.0, 1.0, 1.0]), matrix(1, &[2.0, 5.0])).unwrap();
        assert_eq!(solved, matrix(1, &[3.0, 2.0]));
        assert_eq!(
            solve(matrix(2, &[1.0, 2.0, 2.0, 4.0]), matrix(1, &[1.0, 2.0])),
            None
        );
        assert_eq!(solve(matrix(0, &[]), matrix(1, &[])), Some(matrix(1, &[])));
    }

    proptest! {
        #[test]
        fn what_is_solved_fits(size in 1_usize..8, cells in prop::collection::vec(-1.0..1.0_f64, 64)) {
            let mut given = matrix(size, &cells[..size * size]);
            for place in 0..size {
                // Far from singular.
                *given.at_mut(place, place) += 9.0;
            }
            let inverse = solve(given.clone(), Matrix::identity(size)).unwrap();
            for row in 0..size {
                for column in 0..size {
                    let product: f64 = (0..size).map(|k| given.at(row, k) * inverse.at(k, column)).sum();
                    prop_assert!((product - Matrix::identity(size).at(row, column)).abs() < 1e-12);
                }
            }
        }
    }
}

/** Heights of the rows of a virtual list, most of which were never rendered. Offsets and lookups take O(log n). */
export class RowHeights {
  /** @param {number} estimate height of a row that was not measured, in pixels */
  constructor(estimate) {
    this.estimate = estimate;
    this.count = 0;
    this.heights = new Float64Array(64);
    /** A Fenwick tree of the differences between height and estimate. */
    this.tree = new Float64Array(65);
  }

  /** Sets the number of rows. Rows are added and removed only at the end. @param {number} count */
  resize(count) {
    for (; this.count > count; this.count--) this.set(this.count - 1, this.estimate);
    if (count > this.heights.length) this.grow(count);
    this.heights.fill(this.estimate, this.count, count);
    this.count = count;
  }

  /** @param {number} count */
  grow(count) {
    const heights = new Float64Array(Math.max(count, this.heights.length * 2));
    heights.set(this.heights.subarray(0, this.count));
    this.heights = heights;
    this.tree = new Float64Array(heights.length + 1);
    for (let index = 0; index < this.count; index++) this.add(index, heights[index] - this.estimate);
  }

  /** @param {number} index @param {number} height */
  set(index, height) {
    const difference = height - this.heights[index];
    if (!difference) return;
    this.heights[index] = height;
    this.add(index, difference);
  }

  /** @param {number} index @param {number} difference */
  add(index, difference) {
    for (let node = index + 1; node < this.tree.length; node += node & -node) this.tree[node] += difference;
  }

  /** The offset of a row's top edge. @param {number} index */
  offset(index) {
    let sum = index * this.estimate;
    for (let node = index; node > 0; node -= node & -node) sum += this.tree[node];
    return sum;
  }

  /** The height of all rows. */
  get total() {
    return this.offset(this.count);
  }

  /** The row at an offset, clamped to the first and last row. @param {number} y */
  indexAt(y) {
    let [low, high] = [0, Math.max(0, this.count - 1)];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.offset(middle) <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

// Heights of very many rows, most of which were never drawn: a sum of the first n of them, and which row is at a place, in log n steps.

/** Rows that were not measured count as `estimate`. */
export class Heights {
  /** @param {number} estimate in pixels */
  constructor(estimate) {
    this.estimate = estimate;
    this.count = 0;
    this.sizes = new Float64Array(64);
    /** A Fenwick tree of how much each row differs from the estimate. */
    this.tree = new Float64Array(65);
  }

  /** There are so many rows now; rows come and go at the end only. @param {number} count */
  resize(count) {
    for (; this.count > count; this.count--) this.set(this.count - 1, this.estimate);
    if (count > this.sizes.length) this.grow(count);
    this.sizes.fill(this.estimate, this.count, count);
    this.count = count;
  }

  /** @param {number} count */
  grow(count) {
    const sizes = new Float64Array(Math.max(count, this.sizes.length * 2));
    sizes.set(this.sizes.subarray(0, this.count));
    this.sizes = sizes;
    this.tree = new Float64Array(sizes.length + 1);
    for (let index = 0; index < this.count; index++) this.add(index, sizes[index] - this.estimate);
  }

  /** @param {number} index @param {number} height */
  set(index, height) {
    const change = height - this.sizes[index];
    if (!change) return;
    this.sizes[index] = height;
    this.add(index, change);
  }

  /** @param {number} index @param {number} change */
  add(index, change) {
    for (let at = index + 1; at < this.tree.length; at += at & -at) this.tree[at] += change;
  }

  /** Where a row begins. @param {number} index */
  offset(index) {
    let sum = index * this.estimate;
    for (let at = index; at > 0; at -= at & -at) sum += this.tree[at];
    return sum;
  }

  /** Height of all rows. */
  get total() {
    return this.offset(this.count);
  }

  /** The row at a place; the first above all, the last below all. @param {number} y */
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

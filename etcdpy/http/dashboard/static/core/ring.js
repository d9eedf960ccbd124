// The newest of what comes, up to a number, and how many there were in all.

export class Ring {
  constructor(most) {
    this.most = most;
    this.clear();
  }

  clear() {
    this.items = [];
    this.total = 0;
  }

  push(...items) {
    this.total += items.length;
    this.items.push(...items);
    // Cut now and then, and not for each: that would move all of them each time.
    if (this.items.length > this.most * 1.25) this.items.splice(0, this.items.length - this.most);
  }
}

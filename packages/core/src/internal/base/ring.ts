/** A queue in a ring that grows as it fills and is let go when it is empty. Adding, taking and looking take the same time at any length. */
const minimum = 16

const slots = <A>(length: number): Array<A | undefined> => Array.from<A | undefined>({ length })

export class Ring<A> {
  length = 0
  // Their number is a power of two.
  #slots: Array<A | undefined> = []
  #first = 0

  push(value: A): void {
    if (this.length === this.#slots.length) this.#grow()
    this.#slots[(this.#first + this.length) & (this.#slots.length - 1)] = value
    this.length++
  }

  /** So far behind the first, which is there. */
  at(index: number): A {
    return this.#slots[(this.#first + index) & (this.#slots.length - 1)] as A
  }

  /** Takes the first, which is there. */
  shift(): A {
    const slots = this.#slots
    const value = slots[this.#first] as A
    slots[this.#first] = undefined
    this.#first = (this.#first + 1) & (slots.length - 1)
    if (--this.length === 0 && slots.length > minimum) this.clear()
    return value
  }

  clear(): void {
    this.length = 0
    this.#slots = []
    this.#first = 0
  }

  #grow(): void {
    const grown = slots<A>(Math.max(minimum, 2 * this.#slots.length))
    for (let i = 0; i < this.length; i++) grown[i] = this.at(i)
    this.#slots = grown
    this.#first = 0
  }
}

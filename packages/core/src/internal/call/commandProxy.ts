/** Functions of peers by their names, as a program writes them: `target("bob").add(1, 2)`. */
import type { Args } from "./commandCoder.ts"

/** What `console.log` of Node, Bun and Deno asks a value for. */
const inspected = Symbol.for("nodejs.util.inspect.custom")

/** Characters of the names in what a target says of itself. */
const maxShown = 200

/** A function for every name that is asked for. */
export const proxyOf = (to: string | ReadonlyArray<string>, invoke: (name: string, args: Args) => unknown): unknown => {
  const say = () => {
    const names = JSON.stringify(to) ?? String(to)
    return `target(${names.length > maxShown ? `${names.slice(0, maxShown)}…` : names})`
  }
  // Node looks behind a proxy, and everybody else at it.
  const behind: { (): void; [inspected]?: () => string } = () => {}
  behind[inspected] = say
  return new Proxy(behind, {
    // A target is no promise and no iterable, whatever looks at it; as a text it says whom it means.
    get: (_target, name) =>
      typeof name !== "string"
        ? name === Symbol.toPrimitive || name === inspected ? say : undefined
        : name === "then" || name === "toJSON"
        ? undefined
        : (...args: Args) => invoke(name, args),
    apply: (_target, _this, [name, ...args]: [string, ...Args]) => invoke(name, args)
  })
}

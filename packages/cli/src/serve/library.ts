/**
 * What modules of functions import: effect and pnet as this command has them in it, so that a module needs nothing installed, and its commands and layers are of
 * the same effect and pnet as the node. Whatever else a module imports is found where it is.
 */
import * as core from "@pnet/core"
import * as effect from "effect"
import * as rpc from "effect/rpc"
import { registerHooks } from "node:module"
import { providedBy } from "./provide.ts"

type Namespace = Readonly<Record<string, unknown>>

const packages: Readonly<Record<string, Namespace>> = { effect, "effect/rpc": rpc, "@pnet/core": core }

/** What an import of a module means: a package, or one of its modules. */
const find = (specifier: string): Namespace | undefined => {
  const whole = Object.hasOwn(packages, specifier) ? packages[specifier] : undefined
  if (whole !== undefined) return whole
  const at = specifier.lastIndexOf("/")
  const [parent, name] = [specifier.slice(0, at), specifier.slice(at + 1)]
  const of = Object.hasOwn(packages, parent) ? packages[parent]! : {}
  return Object.hasOwn(of, name) ? of[name] as Namespace : undefined
}

const scheme = "pnet-library:"
const place = Symbol.for("@pnet/cli/serve/library")

/** The text of a module that gives on what is here already. */
const source = (specifier: string): string => {
  const names = Object.keys(find(specifier)!)
  return [
    `const given = globalThis[Symbol.for("@pnet/cli/serve/library")](${JSON.stringify(specifier)})`,
    ...names.map((name, i) => `const e${i} = given[${JSON.stringify(name)}]`),
    `export { ${names.map((name, i) => `e${i} as ${JSON.stringify(name)}`).join(", ")} }`
  ].join("\n")
}

const theirs = new Set<string>()
let hooked = false

/** Has a module, and whatever it imports, import effect and pnet from here. Given again it does nothing. */
providedBy((url) => {
  theirs.add(url)
  if (hooked) return
  hooked = true
  Object.defineProperty(globalThis, place, { value: find })
  registerHooks({
    resolve: (specifier, context, next) => {
      if (context.parentURL === undefined || !theirs.has(context.parentURL)) return next(specifier, context)
      if (find(specifier) !== undefined) {
        return { url: `${scheme}${specifier}`, format: "module", shortCircuit: true }
      }
      const resolved = next(specifier, context)
      if (resolved.url.startsWith("file:")) theirs.add(resolved.url)
      return resolved
    },
    load: (url, context, next) =>
      url.startsWith(scheme)
        ? { format: "module", shortCircuit: true, source: source(url.slice(scheme.length)) }
        : next(url, context)
  })
})

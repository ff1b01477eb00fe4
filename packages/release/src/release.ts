/**
 * `pnpm release`: checks the packages and publishes those whose versions the registry does not have, each from the tarball that
 * was checked, with provenance. Without `--publish` it says what it would do; with it, it refuses whatever has an objection.
 *
 * A release is two landings: `pnpm release:version` turns the changesets into versions and change logs, which is looked at and
 * landed; then CI runs `pnpm release --publish` there.
 */
import * as Effect from "effect/Effect"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { check, scratch } from "./check.ts"
import type { Tarball } from "./pack.ts"
import { done, fail, type Failed, run } from "./run.ts"
import { type Manifest, publicPackages, root, tool } from "./workspace.ts"

/** What is known before anything is done. */
export interface State {
  readonly manifests: ReadonlyArray<Manifest>
  /** Changesets that no version has yet. */
  readonly changesets: ReadonlyArray<string>
  /** Files that are not as they were committed. */
  readonly changed: ReadonlyArray<string>
  readonly ci: boolean
}

/** Why nothing may be published now. */
export const objections = (state: State): ReadonlyArray<string> => [
  ...(state.ci ? [] : ["this is not CI, whose word the provenance of a package is (CI is not \"true\")"]),
  ...state.manifests.filter(({ repository }) => repository === undefined).map(({ name }) =>
    `${name} names no repository in its package.json, which provenance is about`
  ),
  ...state.manifests.filter(({ publishConfig }) => publishConfig?.provenance !== true).map(({ name }) =>
    `${name} would be published without provenance`
  ),
  ...(new Set(state.manifests.map(({ version }) => version)).size > 1 ? ["the packages have several versions"] : []),
  ...state.changesets.map((name) => `.changeset/${name} has no version yet: pnpm release:version`),
  ...state.changed.map((path) => `${path} is not as it was committed`)
]

const state: Effect.Effect<State, Failed> = Effect.map(
  done("git", ["status", "--porcelain"], { cwd: root }),
  (status) => ({
    manifests: publicPackages.map(({ manifest }) => manifest),
    changesets: readdirSync(join(root, ".changeset")).filter((name) => name.endsWith(".md") && name !== "README.md"),
    changed: status.split("\n").filter((line) => line !== "").map((line) => line.slice(3)),
    ci: process.env.CI === "true"
  })
)

/** Those whose versions the registry does not have. */
const unpublished = (tarballs: ReadonlyArray<Tarball>) =>
  Effect.filter(tarballs, ({ manifest: { name, version } }) =>
    Effect.flatMap(
      run("npm", ["view", `${name}@${version}`, "version"], { cwd: root }),
      ({ code, output }) =>
        code === 0
          // A package that is there without this version gives nothing.
          ? Effect.succeed(!output.includes(version))
          : /E404/.test(output)
          ? Effect.succeed(true)
          : fail(`the registry does not say whether it has ${name}@${version}:\n${output}`)
    ))

export const release = (options: { readonly publish: boolean }): Effect.Effect<void, Failed> =>
  Effect.gen(function*() {
    const say = (line: string) => Effect.sync(() => process.stdout.write(`${line}\n`))
    const objected = objections(yield* state)
    if (options.publish && objected.length > 0) return yield* fail(`nothing is published:\n${objected.join("\n")}`)
    const tarballs = yield* check({ only: "", folder: yield* scratch(false) })
    if (tarballs === undefined) return yield* fail("nothing is published: the check failed")
    const missing = yield* unpublished(tarballs)
    for (const { file, manifest: { name, version } } of missing) {
      // What it depends on first, which is the order of the packages.
      if (options.publish) {
        yield* say(yield* done("npm", ["publish", file, "--access", "public", "--provenance"], { cwd: root }))
      } else yield* say(`would publish ${name}@${version}, with provenance`)
    }
    if (missing.length === 0) yield* say("the registry has all of it")
    if (options.publish && missing.length > 0) {
      yield* say(yield* done(tool("changeset"), ["tag"], { cwd: root }))
      yield* say("now: git push --follow-tags")
    }
    for (const objection of objected) yield* say(`before it can be published: ${objection}`)
  }).pipe(Effect.scoped)

if (import.meta.main) {
  const { values } = parseArgs({ options: { publish: { type: "boolean" } } })
  Effect.runPromise(Effect.match(release({ publish: values.publish ?? false }), {
    onSuccess: () => 0,
    onFailure: ({ problem }) => {
      process.stderr.write(`${problem}\n`)
      return 1
    }
  })).then((code) => {
    process.exitCode = code
  })
}

/**
 * Where there is a Chromium for tests: the one of `CHROME_PATH`, one on the PATH, or the one that npm `@sparticuz/chromium` carries in itself,
 * which is unpacked once into the workspace's cache, with the libraries that it needs and a font. It installs nothing and needs no root.
 */
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import {
  accessSync,
  constants,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { arch, platform } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { once } from "../harness/once.ts"

/** A Chromium that can be started. */
export interface Chromium {
  readonly path: string
  /** What it needs in its environment. */
  readonly environment: Readonly<Record<string, string>>
}

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]

export const remedy = "set CHROME_PATH to a Chromium or Chrome, or have one on the PATH as chromium or google-chrome"

const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const onPath = (path: string | undefined): string | undefined =>
  (path ?? "").split(delimiter).filter((folder) => folder !== "")
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find(isProgram)

const cache = fileURLToPath(new URL("../../../../node_modules/.cache/chromium/", import.meta.url))

/** Unpacks what the package carries into the folder that TMPDIR says. */
const unpacking = `
  const { inflate } = await import(process.argv[1])
  await Promise.all(process.argv.slice(2).map(inflate))
`

/** Gives a folder its name, unless another process was first. */
const put = (making: string, folder: string) => {
  try {
    renameSync(making, folder)
  } catch {
    rmSync(making, { recursive: true, force: true })
  }
}

const fontList = (folder: string): string =>
  `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>${join(folder, "fonts")}</dir>
  <dir>/usr/share/fonts</dir>
  <include ignore_missing="yes">/etc/fonts/conf.d</include>
  <cachedir>${join(folder, "fonts-cache")}</cachedir>
</fontconfig>
`

/** The one of the package, unpacked: two seconds the first time. */
const carried: Effect.Effect<Chromium, string> = Effect.gen(function*() {
  const module = import.meta.resolve("@sparticuz/chromium")
  const home = dirname(dirname(fileURLToPath(module)))
  const { version } = JSON.parse(readFileSync(join(home, "package.json"), "utf8")) as { readonly version: string }
  const folder = join(cache, version)
  yield* Effect.try({
    try: () =>
      once(`${folder}.lock`, () => existsSync(folder) ? folder : undefined, () => {
        // Whole or not at all.
        const making = mkdtempSync(join(cache, "making-"))
        const packed = ["chromium.br", "al2023.tar.br", "fonts.tar.br"].map((name) => join(home, "bin", name))
        execFileSync(process.execPath, ["--input-type=module", "--eval", unpacking, module, ...packed], {
          env: { ...process.env, TMPDIR: making },
          stdio: ["ignore", "ignore", "pipe"]
        })
        put(making, folder)
        return folder
      }),
    catch: (error) => (error as Error).message
  })
  // Without a font it shows no text, and falls over some pages. The list of folders that it carries is that of another machine.
  const fonts = join(folder, "fonts.conf")
  if (!existsSync(fonts)) {
    const making = join(folder, `fonts.${process.pid}.conf`)
    writeFileSync(making, fontList(folder))
    renameSync(making, fonts)
  }
  return {
    path: join(folder, "chromium"),
    environment: {
      LD_LIBRARY_PATH: [join(folder, "al2023", "lib"), process.env["LD_LIBRARY_PATH"]].filter(Boolean).join(delimiter),
      FONTCONFIG_FILE: fonts
    }
  }
})

/** A Chromium, or the one line that says why there is none and how to have one. */
export const find: Effect.Effect<Chromium, string> = Effect.suspend(() => {
  const told = process.env["CHROME_PATH"]
  if (told !== undefined && told !== "") {
    return isProgram(told)
      ? Effect.succeed({ path: told, environment: {} })
      : Effect.fail(`there is no program at CHROME_PATH, ${told}`)
  }
  const path = onPath(process.env["PATH"])
  if (path !== undefined) return Effect.succeed({ path, environment: {} })
  return platform() === "linux" && arch() === "x64"
    ? Effect.mapError(
      carried,
      (message) => `the Chromium of @sparticuz/chromium could not be unpacked: ${message}; ${remedy}`
    )
    : Effect.fail(`there is no Chromium here; ${remedy}`)
})

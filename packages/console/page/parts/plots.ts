/** What draws the plots: loaded once, behind everything else. */
import type uPlot from "uplot"

const isLanguage = (text: string): boolean => {
  try {
    return Intl.NumberFormat.supportedLocalesOf(text).length >= 0
  } catch {
    return false
  }
}

// In milliseconds: when it is asked for again where the node is gone, twice as long each time. Chromium fails again at once until the page is loaded anew.
const soonest = 500
const latest = 30_000

const load = (wait = soonest): Promise<typeof uPlot> =>
  import("uplot").then(
    (module) => module.default,
    () => new Promise<void>((resume) => setTimeout(resume, wait)).then(() => load(Math.min(2 * wait, latest)))
  )

let loaded: Promise<typeof uPlot> | undefined

export const plots = (): Promise<typeof uPlot> => {
  // Browsers that are started without a language of a person say one that is none (`en-US@posix`), over which it would fall.
  if (!isLanguage(navigator.language)) Object.defineProperty(navigator, "language", { value: "en-US" })
  return loaded ??= load()
}

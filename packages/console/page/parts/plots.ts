/** What draws the plots: in the page's own script, and run when it is first asked for. */
import type uPlot from "uplot"

const isLanguage = (text: string): boolean => {
  try {
    return Intl.NumberFormat.supportedLocalesOf(text).length >= 0
  } catch {
    return false
  }
}

let loaded: Promise<typeof uPlot> | undefined

export const plots = (): Promise<typeof uPlot> => {
  // Browsers that are started without a language of a person say one that is none (`en-US@posix`), over which it would fall.
  if (!isLanguage(navigator.language)) Object.defineProperty(navigator, "language", { value: "en-US" })
  return loaded ??= import("uplot").then((module) => module.default)
}

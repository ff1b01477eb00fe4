/** Light, dark, or as the system has it: kept for the next time. */
import { effect } from "@preact/signals"
import { colours, type Theme, theme } from "./store/state.ts"

const kept = "pnet-console-theme"

const stored = (): Theme => {
  try {
    const value = localStorage.getItem(kept)
    return value === "light" || value === "dark" ? value : "system"
  } catch {
    // A browser may keep nothing.
    return "system"
  }
}

export const begin = (): void => {
  theme.value = stored()
  effect(() => {
    document.documentElement.dataset["theme"] = theme.value
    colours.value = colours.peek() + 1
    try {
      localStorage.setItem(kept, theme.value)
    } catch {
      // As above.
    }
  })
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => void colours.value++)
}

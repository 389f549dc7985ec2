/** Start the console. The language is loaded first. */

import { preferences } from "./model/preferences.js";
import { chooseWords } from "./view/words.js";
import { RelevoConsole } from "./view/app.js";

function showTheme() {
  const theme = preferences.get("theme");
  if (theme === null) delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

showTheme();
preferences.addEventListener("change", showTheme);
await chooseWords();
const app = new RelevoConsole();
document.body.append(app);

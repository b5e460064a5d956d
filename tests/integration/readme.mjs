/* The code blocks of a README, so that tests run what people paste. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { repository } from "./harness.mjs";

/* Every fenced block of a language, in order. */
export function codeBlocks(file, language) {
    const text = readFileSync(join(repository, file), "utf8");
    return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map((m) => m[1]);
}

/* The one block that holds the words. */
export function codeBlock(file, language, words) {
    const found = codeBlocks(file, language).filter((block) => block.includes(words));
    if (found.length !== 1)
        throw new Error(`${file} has ${found.length} ${language} blocks with "${words}", not one`);
    return found[0];
}

export function readText(file) {
    return readFileSync(join(repository, file), "utf8");
}

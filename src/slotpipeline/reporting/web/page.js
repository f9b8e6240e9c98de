// What the page does beside sorting (sortable.min.js): a narrow page writes the head beside each entry of a table, tables
// are filtered and saved, and links open what hides their target.
for (const table of document.querySelectorAll("table"))
  for (const row of table.tBodies[0].rows)
    for (const cell of row.cells) cell.dataset.head = table.tHead.rows[0].cells[cell.cellIndex].textContent;
for (const table of document.querySelectorAll("table.sortable")) {
  const bar = document.createElement("p");
  bar.className = "tools";
  const save = document.createElement("button");
  save.textContent = "Save as CSV";
  save.onclick = () => {
    const lines = [...table.rows].filter((row) => !row.hidden).map((row) =>
      [...row.cells].map((cell) => '"' + cell.innerText.trim().replace(/\s*\n\s*/g, "; ").replaceAll('"', '""') + '"').join(","));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.join("\r\n") + "\r\n"], { type: "text/csv" }));
    link.download = table.id + ".csv";
    link.click();
  };
  if (table.tBodies[0].rows.length > 5) bar.append(filter(() => table.tBodies[0].rows, "Filter rows"));
  bar.append(save);
  table.parentElement.before(bar);
}
const runs = document.querySelector("#runs .cells");
if (runs) runs.before(filter(() => runs.children, "Filter cells"));

function filter(parts, label) {
  const field = document.createElement("input");
  field.type = "search";
  field.placeholder = field.ariaLabel = label;
  field.oninput = () => {
    const words = field.value.toLowerCase().split(/\s+/);
    for (const part of parts()) part.hidden = !words.every((word) => part.textContent.toLowerCase().includes(word));
  };
  return field;
}

function reveal() {
  const target = document.getElementById(location.hash.slice(1));
  for (let part = target; part; part = part.parentElement) if (part.nodeName === "DETAILS") part.open = true;
  if (target) target.scrollIntoView();
}
addEventListener("hashchange", reveal);
reveal();

// Plays one clip on a canvas: the data are whole numbers, three to a joint, in the viewer's axes.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const canvas = document.getElementById("clip");
  const pen = canvas.getContext("2d");
  const [play, slider, at, speed, turner] = ["play", "frame", "at", "speed", "turn"].map((id) => document.getElementById(id));
  const seconds = data.step / data.fps;
  let playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  let time = 0;
  let before = null;
  if (turner) turner.value = data.turn;

  function places(body) {
    const angle = (turner ? Number(turner.value) : 0) * Math.PI / 180;
    const [cos, sin, scale] = [Math.cos(angle), Math.sin(angle), 0.46 * canvas.width / data.grain];
    const found = [];
    for (let joint = 0; joint < body.length; joint += 3) {
      const [x, y, z] = [body[joint], body[joint + 1], body[joint + 2]];
      found.push([canvas.width / 2 + scale * (cos * x + sin * z), canvas.height / 2 - scale * y, cos * z - sin * x]);
    }
    return found;
  }

  function drawBody(joints, shades) {
    const shade = (joint) => shades[data.sides[joint] + 1];
    const depth = ([joint, parent]) => joints[joint][2] + joints[parent][2];
    const thick = Math.max(2, canvas.width / 180);
    pen.lineWidth = thick;
    pen.lineCap = "round";
    for (const [joint, parent] of [...data.bones].sort((one, other) => depth(one) - depth(other))) {
      pen.strokeStyle = shade(joint);
      pen.beginPath();
      pen.moveTo(joints[parent][0], joints[parent][1]);
      pen.lineTo(joints[joint][0], joints[joint][1]);
      pen.stroke();
    }
    joints.forEach(([x, y], joint) => {
      pen.fillStyle = shade(joint);
      pen.beginPath();
      pen.arc(x, y, thick * 0.9, 0, 2 * Math.PI);
      pen.fill();
    });
  }

  function draw() {
    const size = Math.round(canvas.clientWidth * (window.devicePixelRatio || 1));
    if (canvas.width !== size || canvas.height !== size) canvas.width = canvas.height = size;
    pen.fillStyle = "#ffffff";
    pen.fillRect(0, 0, size, size);
    const frame = Number(slider.value);
    const mean = (joints) => joints.reduce((sum, joint) => sum + joint[2], 0) / joints.length;
    data.persons
      .map((person, number) => [person[frame] && places(person[frame]), data.colours[number]])
      .filter(([joints]) => joints)
      .sort(([one], [other]) => mean(one) - mean(other))
      .forEach(([joints, shades]) => drawBody(joints, shades));
    at.textContent = `${frame * data.step}, ${(frame * seconds).toFixed(2)} s`;
  }

  function tick(now) {
    if (playing && before !== null) {
      time = (time + Number(speed.value) * (now - before) / 1000) % (data.frames * seconds);
      slider.value = Math.floor(time / seconds + 1e-9);
    }
    before = now;
    draw();
    requestAnimationFrame(tick);
  }

  function say() {
    play.textContent = playing ? "Pause" : "Play";
  }

  play.addEventListener("click", () => { playing = !playing; say(); });
  slider.addEventListener("input", () => { playing = false; time = Number(slider.value) * seconds; say(); });
  if (turner) {
    let from = null;
    canvas.addEventListener("pointerdown", (event) => { from = [event.clientX, Number(turner.value)]; canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener("pointerup", () => { from = null; });
    canvas.addEventListener("pointercancel", () => { from = null; });
    canvas.addEventListener("pointermove", (event) => {
      if (!from) return;
      const degrees = from[1] + 360 * (event.clientX - from[0]) / canvas.clientWidth;
      turner.value = ((degrees + 180) % 360 + 360) % 360 - 180;
    });
  }
  say();
  requestAnimationFrame(tick);
})();

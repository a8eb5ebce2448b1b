<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="ar" sourcelanguage="en">
<context>
    <name>AboutDialog</name>
    <message>
        <source>About Sfumato</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Sfumato {version}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>A desktop studio for diffusion models: type a prompt, watch the noise become a picture, keep it, change it. Everything happens on this computer; nothing is sent anywhere.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Licence: Apache 2.0. Icons: Lucide (ISC). Fonts: Noto Sans and Noto Sans Arabic (OFL 1.1). Window: Qt for Python (LGPL 3).</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>ActionBar</name>
    <message>
        <source>Drag from here to put the picture into another program as a file.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Drag the picture out</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Everything that can be done with the picture</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>More</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Fit</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show the whole picture. (0)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>100 %</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>One pixel of the screen for each of the picture. (1)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Zoom in</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Come closer. (+)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Zoom out</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Go further away. (-)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Compare</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show before and after, divided by a line that you drag.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Second window</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show the picture in a window of its own too, on the second screen where there is one.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Start from it</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Make the next picture out of this one.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Variations</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Make four pictures that are like this one.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Second pass</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Make it again at twice the size, with more detail.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Copy</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Put the picture onto the clipboard.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Save as…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Save as PNG, JPEG or WebP with the recipe inside.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Save without the recipe…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Save the pixels alone: prompt, seed and model stay private.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>Application</name>
    <message>
        <source>{name} is no picture, model, recipe or styles.csv; choose one of these.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Welcome. Type what the picture shall show and press Generate: a model of icons is ready.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Settings …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Queue</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open a picture or recipe</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Pictures, recipes and styles</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Import styles</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Styles of A1111</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The text holds no recipe that is known here; paste it as a prompt instead.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The recipe was taken over, except for this: {reasons}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The recipe was taken over.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The picture holds no recipe.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The picture holds its recipe.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Use everything</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Use the prompt</source>
        <translation type="unfinished"></translation>
    </message>
    <message numerus="yes">
        <source>%n style(s) added</source>
        <translation type="unfinished">
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
        </translation>
    </message>
</context>
<context>
    <name>Banner</name>
    <message>
        <source>Close this message</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>BranchBar</name>
    <message>
        <source>Prompt of the branch</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What the picture shall become from this step on.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Scheduler of the branch</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Who takes the remaining steps.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Guidance of the branch</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How closely the remaining steps follow the prompt.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Seed of the branch</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Decides the noise that the remaining steps add, where the scheduler adds any.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Branch from this step</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Another scheduler goes on at its noise level nearest to this step&apos;s.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>With nothing changed, the branch gives the same picture, pixel for pixel.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Guidance</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Seed</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>Canvas</name>
    <message>
        <source>The picture is on the clipboard.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Save the picture</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Save the picture without its recipe</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>PNG (*.png)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>JPEG (*.jpg *.jpeg)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>WebP (*.webp)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Begin with a picture</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Pictures (*.png *.jpg *.jpeg *.webp *.bmp *.gif *.tif *.tiff)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Branch</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Start again from the step shown, with another prompt, scheduler, guidance or seed.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Saved as {path}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Branch from step {step}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Choose a step to branch from</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Paste a picture as a start</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{number} ms per step</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{number} s per step</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{number} s left</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{minutes} min {seconds} s left</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{hours} h {minutes} min left</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>CanvasView</name>
    <message>
        <source>Picture</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Plus and minus zoom, 0 fits the picture, 1 shows its own size, the arrow keys move it.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Before</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>After</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>Card</name>
    <message>
        <source>Shown; press to fold</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Folded; press to show</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>CrashDialog</name>
    <message>
        <source>Something went wrong in Sfumato</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>This is an error of the program, not yours. Finished pictures and the queue are kept; you can go on. The report below helps to mend it; it holds no prompts unless an error names one.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Report</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Copy the report</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open the log file</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Go on</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Copied</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>EmptyCanvas</name>
    <message>
        <source>Type what you want to see and press Generate, or begin with a picture of yours.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Begin with a picture</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>ExportDialog</name>
    <message>
        <source>Copy pictures</source>
        <translation type="unfinished"></translation>
    </message>
    <message numerus="yes">
        <source>Copy %n picture(s)</source>
        <translation type="unfinished">
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
        </translation>
    </message>
    <message>
        <source>Folder</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Where the copies go; it is made if it is not there.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Choose…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Format</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>JPEG and WebP are smaller; PNG keeps every pixel.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>As they are</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Keep the recipe inside</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Prompt and settings are in the file, and whoever gets it can read them.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Copy</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Where the copies go</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>FilterForm</name>
    <message>
        <source>Model</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show only pictures that this model made.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Scheduler</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show only pictures made with this scheduler.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Seed</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show only pictures of this seed.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Any</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Size</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show only pictures of this width and height in pixels, such as 512x768.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Made</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show only pictures made in this time.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Any time</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Today</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Last 7 days</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Last 30 days</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>From … to …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>First day</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Last day</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>At least so many stars</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show only pictures with at least so many stars.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show all pictures</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>GalleryModel</name>
    <message numerus="yes">
        <source>%n star(s)</source>
        <translation type="unfinished">
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
        </translation>
    </message>
</context>
<context>
    <name>GalleryPanel</name>
    <message>
        <source>Filter by model, scheduler, seed, size, date, rating</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Pictures</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Search prompts</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Shows the pictures whose prompts have all of these words, or their beginnings.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Boards are collections of pictures; choose which one is shown.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Undo</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Brings the pictures back from the trash.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Rate the chosen pictures</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Put the chosen pictures on a board</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Copy the chosen pictures to a folder</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Move the chosen pictures to the trash</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open the folder with the pictures</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Move to trash</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Larger</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Smaller</source>
        <translation type="unfinished"></translation>
    </message>
    <message numerus="yes">
        <source>%n star(s)</source>
        <translation type="unfinished">
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
        </translation>
    </message>
    <message>
        <source>All pictures</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>On no board</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Board shown: {name}</source>
        <translation type="unfinished"></translation>
    </message>
    <message numerus="yes">
        <source>%n picture(s) chosen</source>
        <translation type="unfinished">
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n picture(s)</source>
        <translation type="unfinished">
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
        </translation>
    </message>
    <message>
        <source>Try again</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>No picture is like that.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show all pictures</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Pictures you make appear here. Drop one from any program to see its recipe.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open the pictures folder</source>
        <translation type="unfinished"></translation>
    </message>
    <message numerus="yes">
        <source>%n picture(s) moved to the trash.</source>
        <translation type="unfinished">
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
        </translation>
    </message>
    <message>
        <source>New board…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Rename this board…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Remove this board, keep its pictures</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>No stars</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Take off the board</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>New board</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Name of the board</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Rename board</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open the folder</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show large</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Start from this picture</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Rate</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Put on a board</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Copy to a folder…</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>GalleryState</name>
    <message numerus="yes">
        <source>{first} The same goes for %n more.</source>
        <translation type="unfinished">
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n picture(s) brought back.</source>
        <translation type="unfinished">
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n picture(s) copied to {folder}.</source>
        <translation type="unfinished">
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
        </translation>
    </message>
</context>
<context>
    <name>HistoryPopup</name>
    <message>
        <source>Search prompts used before</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Prompts used before</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Prompts appear here once you have made a picture with them.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>MainWindow</name>
    <message>
        <source>Prompt</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Model</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Settings of the picture</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Generate</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Cancel the running job</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open a picture or recipe …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Save the picture as …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open the pictures folder</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Settings …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Quit</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Paste a recipe or picture</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Copy the picture</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Draw a new seed</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Use the last seed again</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Swap width and height</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Pause or resume the queue</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Cancel all jobs</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Bring back what was taken off the queue</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Free the memory of the model</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Go to the prompt</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Put all panels back</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Full screen</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Shortcuts …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open the log file</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>About Sfumato</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;File</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Edit</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;View</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Queue</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Models</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>&amp;Help</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>ModelPanel</name>
    <message>
        <source>Model</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The network that makes the picture. Another one knows other things and styles.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>More about models</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open a model folder …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open a model file …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Model library</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Free the memory of the model</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Autoencoder and precision</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Autoencoder (VAE)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The part that turns the result into pixels. Another one can mend pale or speckled colours.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Precision</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How exactly numbers are kept. float32 is exact; 16 bits need half the memory.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The model&apos;s own</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Choose a file …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Sfumato icons (embedded)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Choose an autoencoder</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open a model folder</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Open a model file</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Weights</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Reading the model …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>made for {size} pixels</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>needs about {amount} GB of memory</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>NoiseCurve</name>
    <message>
        <source>Noise falls from {first} to {last} in {steps} steps.</source>
        <translation type="unfinished"></translation>
    </message>
    <message numerus="yes">
        <source>%n step(s)</source>
        <translation type="unfinished">
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
        </translation>
    </message>
</context>
<context>
    <name>NumberBox</name>
    <message>
        <source>This is no whole number; type digits only.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>This is no number; type digits and a point.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{value} is out of range; choose from {lowest} to {highest}.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{value} is no multiple of {multiple}; choose {below} or {above}.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>PopOut</name>
    <message>
        <source>Sfumato: the picture</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>ProgressRow</name>
    <message>
        <source>Progress</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Progress of the job</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Leave the picture that forms; finished ones stay. (Esc)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>picture {number} of {count}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Ready</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Starting</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Loading the model</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Reading the prompt</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Step {step} of {total}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Finishing the picture</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Done</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Cancelled</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The picture could not be made</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>PromptPanel</name>
    <message>
        <source>Prompt</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What shall the picture show?</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What the picture shall show. (word:1.2) weighs a word, Ctrl+Up and Ctrl+Down do it for you; &lt;lora:name:1&gt; adds a LoRA, __name__ draws from a wildcard.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Negative prompt</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What shall it not show?</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What the picture shall keep away from. It needs a guidance above 1.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Negative</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show or hide what the picture shall keep away from</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Styles: fragments that are added to both prompts</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Styles</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Prompts used before</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Tokens of the prompt, and how many fit into one chunk; a longer prompt is read in several chunks.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Put one more job into the queue (Ctrl+Enter)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Put one more job into the queue</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How many pictures one press makes, each with the next seed</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Number of pictures</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Generate</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Leave the picture that is being made (Esc)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Make the picture (Ctrl+Enter)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Keep these prompts as a style …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Import styles.csv …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Keep as a style</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Name of the style</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>QueueDelegate</name>
    <message>
        <source>(no prompt)</source>
        <translation type="unfinished"></translation>
    </message>
    <message numerus="yes">
        <source>%n picture(s)</source>
        <translation type="unfinished">
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
        </translation>
    </message>
    <message>
        <source>{made} of {count} pictures</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>round {number}</source>
        <translation type="unfinished"></translation>
    </message>
    <message numerus="yes">
        <source>%n step(s)</source>
        <translation type="unfinished">
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
        </translation>
    </message>
</context>
<context>
    <name>QueueEditor</name>
    <message>
        <source>Edit the job</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Prompt</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Negative prompt</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Scheduler</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Steps</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Guidance</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Seed</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Pictures</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Save</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Leave it as it is</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The job has begun meanwhile and cannot be changed any more; duplicate it instead.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>QueueModel</name>
    <message>
        <source>Waiting</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Interrupted</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Failed</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Cancelled</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Done</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Step {step} of {total}</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Preparing</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>QueuePanel</name>
    <message>
        <source>Jobs of the queue</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Edit…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Duplicate</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Run again</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Run next</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Move up</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Move down</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Run last</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Cancel or remove</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show the picture</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Copy the error</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Repeat for ever</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Start again with the next seeds each time it ends, until it is cancelled.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Run failed jobs again</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Undo</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Clear finished jobs</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Cancel all jobs</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Continue</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Remove</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Taken off the queue.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Nothing waits: each press of Generate puts a job here.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Add a job</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Resume</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Pause</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Go on with the next job.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Start no further job; the running one is finished.</source>
        <translation type="unfinished"></translation>
    </message>
    <message numerus="yes">
        <source>%n waiting</source>
        <translation type="unfinished">
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n job(s) did not come to an end last time.</source>
        <translation type="unfinished">
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
        </translation>
    </message>
</context>
<context>
    <name>RecipePanel</name>
    <message>
        <source>Not wanted</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Result of the replay</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Use everything</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Takes prompt, model, scheduler, seed, size and all other settings over.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Prompt only</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Takes over what was wanted and what was not.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Seed only</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Takes over the seed and locks it, so that the same noise is the start.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Replay</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Makes this picture again and says how many pixels differ.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>This picture does not say what made it.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>No prompt.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Recipe</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Choose a picture, or drop one from another program here, to see what made it.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Model</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Scheduler</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Steps</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Guidance</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Seed</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Size</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Skipped layers</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Made by</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Making the picture again…</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{name}: {count} of {pixels} pixels differ.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{name}: not one of {pixels} pixels differs.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>Replay</name>
    <message>
        <source>The folder {folder} cannot be written to ({reason}); allow that, then replay.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The replay was cancelled.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>SchedulerPanel</name>
    <message>
        <source>Sampling</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Scheduler</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The way noise is taken away step by step. It changes speed, sharpness and how pictures vary.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Sigma schedule</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Where along the way from noise to picture the steps are spent.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Steps</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How many times noise is taken away. More steps: finer and slower; beyond 30 little changes.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Guidance</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How strictly the picture follows the prompt. High values look harsh, low ones wander off.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Guidance rescale</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Takes back the glare that strong guidance brings; 0 is off, 0.7 is usual for v models.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Noise at each step</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The noise left at each step of exactly the run that would start now.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Picture</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Width</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Pixels from side to side. Far from the model&apos;s size things double.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Height</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Pixels from top to bottom. Far from the model&apos;s size things double.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Swap width and height</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Size</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Sizes with about as many pixels as the model was trained with.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Start from a picture</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Choose a picture that the run starts from</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Start from noise again</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Strength</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How much of the picture may change: 0 keeps it, 1 keeps nothing of it.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Second pass at a larger size</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Makes the picture, enlarges it, and paints its detail again. 1 is off.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Enlarge by</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How many times larger the finished picture is; 1 leaves the second pass out.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Strength of the second pass</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How much the second pass may change; 0.3 sharpens, 0.6 invents.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Steps of the second pass</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>0 takes as many as the first pass.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Pictures</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{advice} Usual: {fewest} to {most} steps.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Own size</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>None: the picture starts from noise.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The plot is coming …</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>SeedField</name>
    <message>
        <source>The number that the starting noise is drawn from. Same seed and same settings: the same picture again.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Seed</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Draw a new seed by chance</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Keep this seed: every press makes the same picture</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Take the seed of the last picture again</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>SettingsDialog</name>
    <message>
        <source>Settings</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Pages of the settings</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Look and language</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Folders</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Device and memory</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Previews and steps</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Network</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Shortcuts</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The system&apos;s</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Language</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Theme</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Light</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Dark</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>High contrast</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Folder of the pictures</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Pictures</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Names of the files</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{seed}, {date}, {time} and {prompt} are filled in.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Folders of models</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Models</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Add a folder …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Take off</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Models are used where they lie; nothing is copied or moved.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The fastest</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Processor (CPU)</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Device</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Looking for devices …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Precision</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>What suits the device</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>float32: exact</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>float16: half the memory, for graphics cards</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>bfloat16: half the memory</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Memory</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>As much as there is</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Fast: keep everything loaded</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Balanced</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Low: slower, in small parts</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Free the model after</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>minutes without work; 0 keeps it loaded</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Previews</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>At every step</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>At every step, finer where the model has a small decoder</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>None</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Keep the state of every step, so that a picture can branch from it</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Room for kept steps</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>MB; the oldest go first</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>No network at all</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Sfumato uses the network only when you search for a model or download one. With this switch it does not even then.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Choose …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Folder of models</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Found: {devices}</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>ShortcutsPage</name>
    <message>
        <source>Search commands</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Commands and their keys</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Command</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Keys</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>New keys</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Its own keys</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>{keys} belongs to “{command}” already; choose other keys, or change those first.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>StarButtons</name>
    <message numerus="yes">
        <source>%n star(s)</source>
        <translation type="unfinished">
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
        </translation>
    </message>
</context>
<context>
    <name>StartBar</name>
    <message>
        <source>Brush</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Paint over what shall be made anew.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Eraser</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Take paint off the mask.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Undo stroke</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Take the last stroke back.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Redo stroke</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Paint the stroke again.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Clear mask</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Take all paint away.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Invert mask</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Swap what is painted and what is free.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Remove the start picture</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Make the next picture from the prompt alone.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>How much of the start picture is made anew: 0 keeps it, 1 ignores it.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Strength</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The size of the brush; the keys [ and ] change it too.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Size of the brush</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Start from</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>StatusBar</name>
    <message>
        <source>Open the folder that pictures go to</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Ready</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Starting …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Loading the model …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Reading the prompt …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Making the picture …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Finishing the picture …</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Cancelled</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Failed</source>
        <translation type="unfinished"></translation>
    </message>
    <message numerus="yes">
        <source>%n job(s) waiting</source>
        <translation type="unfinished">
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
            <numerusform></numerusform>
        </translation>
    </message>
    <message>
        <source>queue paused</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Network off</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>StepScrubber</name>
    <message>
        <source>Steps of the picture</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Drag back through how the picture formed. The arrow keys go step by step.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>catalog</name>
    <message>
        <source>Steady and exact; the same seed keeps its composition when you change the number of steps.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Simple and fast; a good first choice.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Adds fresh noise at every step: soft, varied pictures that keep changing with more steps.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Sharp pictures in few steps; the best choice for most work.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Like DPM++ 2M with fresh noise at every step: more detail, and it needs more steps.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>DPM++ 2M SDE with another second-order formula; a little softer.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Looks one step further back than DPM++ 2M; for 25 steps and more.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Rich detail with many steps; best with exponential or Karras sigmas and lower guidance.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Every second call refines the step before it; steadier than DPM++ 2M under strong guidance.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Fine, lively detail in few steps that cost twice as much each.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Corrects every step at no extra cost; good pictures from 8 steps on.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>UniPC with the formula that its paper prefers for very few steps without guidance.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Fast and smooth; an alternative to DPM++ 2M below 20 steps.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Euler with every step done twice: more exact, at twice the cost.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Looks ahead to the middle of every step; exact, at twice the cost.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>DPM2 with fresh noise at every step: sharp and varied, at twice the cost.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Goes on from the last four steps; smooth, but it needs 30 steps or more.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Fresh noise while the picture takes shape and none for its detail; varied and clean.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Pictures in 4 to 8 steps with a model or LoRA distilled for it; blurred with others.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Like LCM with more detail, for models and LoRAs distilled for it.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The first scheduler of Stable Diffusion, to make pictures of that time again.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The original slow sampler with fresh noise at every step; for study and comparison.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>DDIM for programs that work on many timesteps at once; the same pictures.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>DDPM for programs that work on many timesteps at once.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The usual choice for flow models.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>For flow models: every step done twice, more exact at twice the cost.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>For flow models that were distilled to a few steps.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Euler for models with the preconditioning of EDM.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>DPM++ 2M for models with the preconditioning of EDM.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>DPM++ 2M SDE for the models of Stable Audio.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>One to four steps, for models distilled by continuous-time consistency.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>One or two steps, for consistency models.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Fourth-order multistep for models of continuous time.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The stochastic sampler of Karras et al. for variance-exploding score models.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Predictor and corrector for variance-exploding score models; slow, for study.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The reverse SDE of variance-preserving score models; slow, for study.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>DDPM as the prior and the decoders of Karlo were trained with.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>DDPM on continuous time, for Wuerstchen and Stable Cascade.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Steps over classes instead of numbers, for VQ-Diffusion.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Uncovers the masked elements it is surest of first, for aMUSEd.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Fills a masked part with a model that was never trained for it, going back and forth.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Turns a picture back into the noise that DDIM would make it from.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Turns a picture back into the noise that DPM++ 2M would make it from.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Default</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>The spacing that the model was made with.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Karras</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Small steps at the end, where fine detail forms; often better below 20 steps.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Exponential</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Noise falls by the same factor at every step; smooth pictures with few steps.</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Beta</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Small steps at the start and at the end.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>edit</name>
    <message>
        <source>The pasted text has {length} characters; a prompt takes at most {most}, so paste less.</source>
        <translation type="unfinished"></translation>
    </message>
</context>
<context>
    <name>remedies</name>
    <message>
        <source>Use the embedded model</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Use the model&apos;s own settings</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Try again</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Try at half the size</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Use the processor</source>
        <translation type="unfinished"></translation>
    </message>
    <message>
        <source>Show the report</source>
        <translation type="unfinished"></translation>
    </message>
</context>
</TS>

<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="en" sourcelanguage="en">
<context>
    <name>Attention</name>
    <message numerus="yes">
        <source>%n picture(s) finished.</source>
        <translation>
            <numerusform>%n picture finished.</numerusform>
            <numerusform>%n pictures finished.</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>DownloadRow</name>
    <message numerus="yes">
        <source>%n hour(s) left</source>
        <translation>
            <numerusform>%n hour left</numerusform>
            <numerusform>%n hours left</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n minute(s) left</source>
        <translation>
            <numerusform>%n minute left</numerusform>
            <numerusform>%n minutes left</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n second(s) left</source>
        <translation>
            <numerusform>%n second left</numerusform>
            <numerusform>%n seconds left</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>ExportDialog</name>
    <message numerus="yes">
        <source>Copy %n picture(s)</source>
        <translation>
            <numerusform>Copy %n picture</numerusform>
            <numerusform>Copy %n pictures</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>GalleryModel</name>
    <message numerus="yes">
        <source>%n star(s)</source>
        <translation>
            <numerusform>%n star</numerusform>
            <numerusform>%n stars</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>GalleryPanel</name>
    <message numerus="yes">
        <source>%n star(s)</source>
        <translation>
            <numerusform>%n star</numerusform>
            <numerusform>%n stars</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n picture(s) chosen</source>
        <translation>
            <numerusform>%n picture chosen</numerusform>
            <numerusform>%n pictures chosen</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n picture(s)</source>
        <translation>
            <numerusform>%n picture</numerusform>
            <numerusform>%n pictures</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n picture(s) moved to the trash.</source>
        <translation>
            <numerusform>%n picture moved to the trash.</numerusform>
            <numerusform>%n pictures moved to the trash.</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>GalleryState</name>
    <message numerus="yes">
        <source>{first} The same goes for %n more.</source>
        <translation>
            <numerusform>{first} The same goes for %n more.</numerusform>
            <numerusform>{first} The same goes for %n more.</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n picture(s) brought back.</source>
        <translation>
            <numerusform>%n picture brought back.</numerusform>
            <numerusform>%n pictures brought back.</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n picture(s) copied to {folder}.</source>
        <translation>
            <numerusform>%n picture copied to {folder}.</numerusform>
            <numerusform>%n pictures copied to {folder}.</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>GridPanel</name>
    <message numerus="yes">
        <source>%n picture(s), and a sheet of them all.</source>
        <translation>
            <numerusform>%n picture, and a sheet of them all.</numerusform>
            <numerusform>%n pictures, and a sheet of them all.</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>Intake</name>
    <message numerus="yes">
        <source>%n picture(s) were opened; the first one is shown.</source>
        <translation>
            <numerusform>%n picture was opened.</numerusform>
            <numerusform>%n pictures were opened; the first one is shown.</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n style(s) added</source>
        <translation>
            <numerusform>%n style added</numerusform>
            <numerusform>%n styles added</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>LibraryPanel</name>
    <message numerus="yes">
        <source>%n model(s)</source>
        <translation>
            <numerusform>%n model</numerusform>
            <numerusform>%n models</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>NoiseCurve</name>
    <message numerus="yes">
        <source>%n step(s)</source>
        <translation>
            <numerusform>%n step</numerusform>
            <numerusform>%n steps</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>PlanCard</name>
    <message numerus="yes">
        <source>%n file(s)</source>
        <translation>
            <numerusform>%n file</numerusform>
            <numerusform>%n files</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>QueueDelegate</name>
    <message numerus="yes">
        <source>%n picture(s)</source>
        <translation>
            <numerusform>%n picture</numerusform>
            <numerusform>%n pictures</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n step(s)</source>
        <translation>
            <numerusform>%n step</numerusform>
            <numerusform>%n steps</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>QueuePanel</name>
    <message numerus="yes">
        <source>%n waiting</source>
        <translation>
            <numerusform>%n waiting</numerusform>
            <numerusform>%n waiting</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n job(s) did not come to an end last time.</source>
        <translation>
            <numerusform>%n job did not come to an end last time.</numerusform>
            <numerusform>%n jobs did not come to an end last time.</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>QueueState</name>
    <message numerus="yes">
        <source>The prompt has more than %n choices; the first ones were put into the queue.</source>
        <translation>
            <numerusform>The prompt has more than %n choices; the first ones were put into the queue.</numerusform>
            <numerusform>The prompt has more than %n choices; the first ones were put into the queue.</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>StarButtons</name>
    <message numerus="yes">
        <source>%n star(s)</source>
        <translation>
            <numerusform>%n star</numerusform>
            <numerusform>%n stars</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>StatusBar</name>
    <message numerus="yes">
        <source>%n job(s) waiting</source>
        <translation>
            <numerusform>%n job waiting</numerusform>
            <numerusform>%n jobs waiting</numerusform>
        </translation>
    </message>
</context>
</TS>
